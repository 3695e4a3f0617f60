"""Values as HCL text, so that no value is ever read as HCL.

Nomad reads a job's variables from text of the form ``name = value``. Quotes, backslashes,
control characters and the signs that begin a template (``${``, ``%{``) are written as
escapes of their code points, after which nothing in a string can be taken for syntax.
"""

from __future__ import annotations

from collections.abc import Mapping

# What a value may be: JSON's types.
Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

_SYNTAX = frozenset('"\\$%{}')


def assignments(values: Mapping[str, Value]) -> str:
    """One ``name = value`` line each, in the mapping's order.

    Raises:
        ValueError: A string holds half a surrogate pair, or a number is not finite.
    """
    return "".join(f"{name} = {literal(value)}\n" for name, value in values.items())


def literal(value: Value) -> str:
    """A JSON value as an HCL expression that evaluates to just that value.

    The scheduler normalises text to Unicode's form C; packages that must keep every byte
    take it as base64.

    Raises:
        ValueError: As for :func:`assignments`.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int():
            return str(value)
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise ValueError(f"{value} is not a number that a job can be given")
            return repr(value)
        case list():
            return "[" + ", ".join(literal(item) for item in value) + "]"
        case dict():
            pairs = (f"{_string(key)} = {literal(item)}" for key, item in value.items())
            return "{" + ", ".join(pairs) + "}"


def _string(text: str) -> str:
    text.encode()  # a lone surrogate is no text: UnicodeEncodeError is a ValueError
    return '"' + "".join(map(_character, text)) + '"'


def _character(character: str) -> str:
    if character in _SYNTAX or not character.isprintable():
        return f"\\U{ord(character):08x}"
    return character
