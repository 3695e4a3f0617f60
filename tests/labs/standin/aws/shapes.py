"""Properties to AWS requests, answers to properties, and what AWS's own definitions refuse.

The definitions are those that ``botocore`` carries. A property's name is a member's name but for
capitals; what is different is named by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

from labs.standin.checking import Problem
from vdc.provider.wire import UNKNOWN

Names = Mapping[str, str]
"""Members by the properties that do not simply bear their names."""


@cache
def service(name: str) -> ServiceModel:
    """AWS's definition of one of its services."""
    return botocore.session.get_session().get_service_model(name)


def asked(name: str, operation: str) -> Shape:
    """What an operation takes."""
    return service(name).operation_model(operation).input_shape


def request(shape: Shape, value: Any, names: Names | None = None) -> Any:
    """A property's value as the API takes it; properties that it has no member for are left out."""
    if value is None:
        return None
    if shape.type_name == "structure":
        pairs = _pairs(shape, value, names or {})
        made = {member: request(of, entry, names) for _, member, of, entry in pairs}
        return {member: entry for member, entry in made.items() if entry is not None}
    if shape.type_name == "list":
        if isinstance(value, Mapping):  # tags
            return [{"Key": key, "Value": text} for key, text in value.items()]
        return [request(shape.member, entry, names) for entry in value]
    if shape.type_name == "boolean" and isinstance(value, str):
        return value == "true"
    if shape.type_name in ("integer", "long") and isinstance(value, str):
        return int(value)
    return value


def properties(shape: Shape, answer: Any, wanted: Any, names: Names | None = None) -> Any:
    """What the API answers in the words of ``wanted``, whose properties alone are asked about."""
    if answer is None:
        return None
    if shape.type_name == "structure" and isinstance(wanted, Mapping):
        members = _pairs(shape, wanted, names or {})
        return {name: properties(of, answer.get(m), e, names) for name, m, of, e in members}
    if shape.type_name == "list" and isinstance(wanted, Mapping):
        return {entry["Key"]: entry["Value"] for entry in answer}
    if shape.type_name == "list" and isinstance(wanted, list):
        if len(wanted) != len(answer):
            return answer
        pairs = zip(answer, wanted, strict=True)
        return [properties(shape.member, entry, e, names) for entry, e in pairs]
    if shape.type_name == "boolean" and isinstance(wanted, str):
        return str(answer).lower()
    if isinstance(wanted, str) and not isinstance(answer, str):
        return str(answer)
    return answer


def problems(
    shape: Shape, value: Any, names: Names | None = None, path: str = ""
) -> Iterator[Problem]:
    """Values outside of AWS's enumerations and bounds."""
    if value is None or value is UNKNOWN:
        return
    if shape.type_name == "structure" and isinstance(value, Mapping):
        at = f"{path}." if path else ""
        for name, _, of, entry in _pairs(shape, value, names or {}):
            yield from problems(of, entry, names, at + name)
    elif shape.type_name == "list" and isinstance(value, list):
        for index, entry in enumerate(value):
            yield from problems(shape.member, entry, names, f"{path}[{index}]")
    elif shape.type_name == "string" and isinstance(value, str):
        yield from _of_text(shape, value, path)


def _of_text(shape: Shape, value: str, path: str) -> Iterator[Problem]:
    if shape.enum and value not in shape.enum:
        yield Problem(path, f"{value!r} is not one of {', '.join(shape.enum[:12])}")
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if len(value) < least:
        yield Problem(path, f"has {len(value)} characters, AWS takes no less than {least}")
    elif most is not None and len(value) > most:
        yield Problem(path, f"has {len(value)} characters, AWS takes no more than {most}")
    pattern = shape.metadata.get("pattern")
    if pattern and "\\u" not in pattern and not re.fullmatch(pattern, value):
        yield Problem(path, f"{value!r:.40} has characters that AWS does not take: {pattern}")


def _pairs(
    shape: Shape, value: Mapping[str, Any], names: Names
) -> Iterator[tuple[str, str, Shape, Any]]:
    members = _members(shape)
    for name, entry in value.items():
        member = members.get(names.get(name, name).lower())
        if member is not None and entry is not None:
            yield name, member, shape.members[member], entry


def _members(shape: Shape) -> Mapping[str, str]:
    return {member.lower(): member for member in shape.members}
