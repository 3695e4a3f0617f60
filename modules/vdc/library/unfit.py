"""What does not fit a JSON Schema, in words: one line of thought per place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from vdc.declaration.finding import Path, did_you_mean, nearest

_KINDS = {
    "integer": ("is not a whole number", "write digits"),
    "number": ("is not a number", "write digits, with a dot for decimals"),
    "string": ("is not text", "write text"),
    "boolean": ("is neither true nor false", "write true or false"),
    "array": ("is not a list", "write a list"),
    "object": ("is not a mapping", "write keys with values"),
}


@dataclass(frozen=True, order=True)
class Unfit:
    """One place that does not fit, with what to do about it."""

    path: Path
    message: str
    remedy: str


def unfit(schema: Mapping[str, Any], value: object) -> list[Unfit]:
    """Everything in a value that does not fit, in the order of the paths; empty when all does."""
    errors = Draft202012Validator(dict(schema)).iter_errors(value)
    found = (item for error in errors for item in _explained(error))
    return sorted(found, key=lambda item: [str(part) for part in item.path])


def _explained(error: ValidationError) -> Iterator[Unfit]:
    path: Path = tuple(error.absolute_path)
    schema: Any = error.schema
    value: Any = error.instance
    limit: Any = error.validator_value
    known = list(schema.get("properties", {}))
    match error.validator:
        case "additionalProperties" if isinstance(value, Mapping) and limit is False:
            for key in value:
                if key not in known:
                    remedy = did_you_mean(str(key), known, f"known are {', '.join(known)}")
                    yield Unfit((*path, key), "is not known", remedy)
        case "required":
            strange = [key for key in value if key not in known]
            meant = {nearest(str(key), known) for key in strange}
            for key in limit:
                if key not in value and key not in meant:  # misspelt is not missing
                    doc = str(schema["properties"][key].get("description", "")).rstrip(".")
                    about = f" ({doc[:1].lower()}{doc[1:]})" if doc else ""
                    yield Unfit((*path, key), "is missing", f"give it a value{about}")
        case _:
            message, remedy = _objection(error, value, limit)
            yield Unfit(path, f"{message} (got {_short(value)})", remedy)


def _objection(error: ValidationError, value: Any, limit: Any) -> tuple[str, str]:
    match error.validator:
        case "type":
            return _KINDS[limit if isinstance(limit, str) else limit[0]]
        case "minimum":
            return f"is less than {limit}", f"write {limit} or more"
        case "maximum":
            return f"is more than {limit}", f"write {limit} or less"
        case "maxLength":
            return f"is longer than {limit} characters", f"shorten it by {len(value) - limit}"
        case "enum":
            choice = ", ".join(map(str, limit))
            return f"is none of {choice}", did_you_mean(str(value), map(str, limit), "choose one")
        case "minItems" | "minProperties" if not value:
            return "is empty", "add an entry"
        case "pattern":
            schema: Any = error.schema
            example = schema.get("examples", [f"what matches {limit}"])[0]
            return "does not have the right form", f"write it like {example}"
    return error.message, "see the schema"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
