"""Values against declared shapes: every problem, none of the API's."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labs.standin.shape import Block, Choice, Either, ListOf, MapOf, Scalar, Shape
from vdc.provider.wire import UNKNOWN

DEFAULTS = "__defaults"
"""Kept among the inputs: names of properties that the program left to the provider."""

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with one property.

    Attributes:
        path: ``metadataOptions.httpTokens``, ``tags[2]``.
        text: What is wrong, what to do.
    """

    path: str
    text: str


def problems(shape: Shape, value: Any, path: str = "") -> Iterator[Problem]:
    """Everything about a value that its declaration does not allow; an unknown value is right."""
    if value is UNKNOWN or value is None:
        return
    match shape:
        case Block():
            yield from _of_block(shape, value, path)
        case Either(block, scalar):
            one = block if isinstance(value, Mapping) else scalar
            yield from problems(one, value, path)
        case ListOf(item):
            if not isinstance(value, list):
                yield Problem(path, f"is {_named(value)}, must be a list")
                return
            for index, entry in enumerate(value):
                yield from problems(item, entry, f"{path}[{index}]")
        case MapOf(of):
            if not isinstance(value, Mapping):
                yield Problem(path, f"is {_named(value)}, must be a map")
                return
            for key, entry in value.items():
                yield from problems(of, entry, f"{path}.{key}")
        case Choice(values):
            if value not in values:
                yield Problem(path, f"{value!r} is not one of {', '.join(values)}")
        case Scalar(kind):
            if not _fits(kind, value):
                yield Problem(path, f"is {_named(value)}, must be {_WORDS[kind]}")


def _of_block(block: Block, value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, Mapping):
        yield Problem(path, f"is {_named(value)}, must be a map with {block.name}'s properties")
        return
    at = f"{path}." if path else ""
    for name, entry in value.items():
        if name in block.properties:
            yield from problems(block.properties[name], entry, at + name)
        elif name != DEFAULTS:
            near = difflib.get_close_matches(name, list(block.properties), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield Problem(at + name, f"is no property of {block.name}{hint}")
    for name in sorted(block.required):
        if value.get(name) is None:
            yield Problem(at + name, f"is missing; {block.name} requires it")


def _fits(kind: type, value: Any) -> bool:
    if kind is object:
        return True
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _named(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list):
        return "a list"
    for kind in (bool, str, int, float):
        if isinstance(value, kind):
            return f"{_WORDS[kind]} ({value!r:.40})"
    return type(value).__name__
