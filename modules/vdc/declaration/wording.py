"""What to say about a value that does not fit its schema."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import yaml
from jsonschema import ValidationError

from vdc.declaration.document import Document, shown
from vdc.declaration.finding import Path, did_you_mean
from vdc.declaration.forms import UnfitError
from vdc.declaration.published import Schema, stand_in

_TYPES = {
    "integer": ("is not a whole number", "write digits"),
    "number": ("is not a number", "write digits, with a dot for decimals"),
    "string": ("is not text", "put it in quotes"),
    "boolean": ("is neither true nor false", "write true or false"),
    "array": ("is not a list", "write each item below it, indented, after a dash"),
    "object": ("is not a mapping", "write its keys below it, indented"),
}
_DIGITS = {"integer": r"[0-9]+", "number": r"[0-9]+(\.[0-9]+)?"}


def wrong_value(document: Document, path: Path, error: ValidationError) -> tuple[str, str]:
    """What is wrong with the value at the path, with the value found, and what to write."""
    if error.instance is None:
        return "has no value", _nothing_here(_schema(error))
    message, remedy = _objection(document, path, error)
    return f"{message} ({document.got(path, error.instance)})", remedy


def example(schema: Schema) -> str:
    """A right value as it would stand in a declaration, on one line."""
    value = stand_in(schema)
    if value == {} and (optional := schema.get("properties")):
        key = next(iter(optional))
        value = {key: stand_in(optional[key])}
    if not isinstance(value, dict | list):
        return shown(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.strip()


def _schema(error: ValidationError) -> Schema:
    schema: Any = error.schema
    return schema if isinstance(schema, dict) else {}


def _nothing_here(schema: Schema) -> str:
    value = example(schema)
    remedy = "write its entries below it" if value == "{}" else f"write {value} after the colon"
    return f"{remedy}, or remove the line" if "default" in schema else remedy


def _objection(document: Document, path: Path, error: ValidationError) -> tuple[str, str]:
    schema = _schema(error)
    value: Any = error.instance
    limit: Any = error.validator_value
    match error.validator:
        case "x-form" if isinstance(error.cause, UnfitError):
            return error.cause.message, _quoted(document, path, error) or error.cause.remedy
        case "type":
            return _wrong_type(value, str(limit), schema)
        case "enum" | "const":
            known = [shown(item) for item in schema.get("enum", [schema.get("const")])]
            choice = " or ".join(filter(None, (", ".join(known[:-1]), known[-1])))
            if isinstance(value, str) and value in known:
                return f"is not {choice}", f"write {value} without quotes"
            if "title" in schema:
                meant = did_you_mean(shown(value), known, "write one of them")
                return f"is not {schema['title']}", f"{meant} ({schema['description']})"
            return f"is not {choice}", did_you_mean(shown(value), known, f"write {choice}")
        case "minimum":
            return f"is less than {shown(limit)}", f"write {shown(limit)} or more"
        case "maximum":
            return f"is more than {shown(limit)}", f"write {shown(limit)} or less"
        case "multipleOf":
            near = (Decimal(value) / Decimal(limit)).to_integral_value(ROUND_HALF_UP) * Decimal(
                limit
            )
            return f"is not in steps of {shown(limit)}", f"write {shown(near)}"
        case "minProperties":
            return "is empty", f"add an entry, such as {example(schema)[1:-1]}"
    return error.message, "see the schema"


def _quoted(document: Document, path: Path, error: ValidationError) -> str | None:
    """The remedy for text that YAML does not read as text, such as ``no`` and ``1``."""
    written = document.written(path)
    if written is None or isinstance(error.instance, str):
        return None
    fits = re.fullmatch(_schema(error)["pattern"], written)
    return f'put it in quotes: "{written}"' if fits else None


def _wrong_type(value: object, wanted: str, schema: Schema) -> tuple[str, str]:
    message, remedy = _TYPES[wanted]
    if wanted in _DIGITS:
        digits = value.strip().replace(",", ".") if isinstance(value, str) else ""
        if re.fullmatch(_DIGITS[wanted], digits):
            return message, f"write {digits}{' without quotes' if digits == value else ''}"
        return message, f"write a number, such as {example(schema)}"
    if wanted == "array" and isinstance(value, str) and re.fullmatch(r"[\w.+/-]+", value):
        return message, f"put it in brackets: [{value}]"
    if wanted == "object" and isinstance(value, list):
        return message, "write each entry as a name and a colon, without a dash"
    if wanted == "object" and "properties" in schema:
        return message, f"write {example(schema)}"
    return message, remedy
