"""Options of a package: read from a command line, checked, defaults filled in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from vdc.errors import PackageError
from vdc.library.unfit import unfit

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def checked(package: str, schema: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the options with every default filled in, also inside objects.

    The result is in the schema's order, so that equal options give equal text.

    Raises:
        PackageError: They do not fit; one line per problem.
    """
    filled = _with_defaults(schema, options)
    problems = [
        f"{package}: option {'.'.join(map(str, problem.path))} {problem.message}; {problem.remedy}"
        for problem in unfit(schema, filled)
    ]
    if problems:
        raise PackageError("\n".join(problems))
    return filled


def typed(schema: Mapping[str, Any], path: str, text: str) -> Any:
    """What a ``path=text`` of a command line means under the option's type.

    Text that does not read as the type comes back as it is: the check that follows says what
    is wrong with it, as it does for every other wrong value.

    Args:
        schema: The package's options schema.
        path: An option; with dots, a key inside an object option.
        text: As typed.
    """
    for key in path.split("."):
        schema = schema.get("properties", {}).get(key, {})
    return _value(schema, text)


def _value(schema: Mapping[str, Any], text: str) -> Any:
    declared = schema.get("type", "string")
    for kind in [declared] if isinstance(declared, str) else declared:
        match kind:
            case "boolean" if text.lower() in _BOOLEANS:
                return _BOOLEANS[text.lower()]
            case "integer" if text.removeprefix("-").isdecimal():
                return int(text)
            case "number" if _is_number(text):
                return float(text)
            case "null" if text == "null":
                return None
            case "array":
                items = schema.get("items", {})
                return [_value(items, part.strip()) for part in text.split(",") if part.strip()]
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_defaults(schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    filled = copy.deepcopy(dict(given))
    properties: Mapping[str, Any] = schema.get("properties", {})
    for name, rule in properties.items():
        if name not in filled and "default" in rule:
            filled[name] = copy.deepcopy(rule["default"])
        if isinstance(filled.get(name), dict):
            filled[name] = _with_defaults(rule, filled[name])
    order = {name: index for index, name in enumerate(properties)}
    return dict(sorted(filled.items(), key=lambda item: order.get(item[0], len(order))))
