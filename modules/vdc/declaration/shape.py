"""The raw document against the published JSON Schema.

``jsonschema`` finds what does not fit. This module picks, out of all it says, the one thing
per place that the user did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from vdc.declaration.document import Document, shown
from vdc.declaration.finding import Path, did_you_mean, nearest
from vdc.declaration.forms import UnfitError
from vdc.declaration.published import Schema, resolved, shipped
from vdc.declaration.registry import FORMS
from vdc.declaration.wording import example, wrong_value


@dataclass(frozen=True)
class Misfit:
    """One place where the document does not fit the schema.

    Attributes:
        path: The place; of a key that should not or does not stand there, its own.
        message: What is wrong, with the value found.
        remedy: What to write.
        structural: Whether a key, and not a value, is wrong: such come first.
        schema: What would be right in its stead; None when nothing would.
        renamed: The key is badly written, its value is checked by itself.
        around: Nothing beside it could be checked: ``schema`` is that of all that holds it.
        said: Another misfit says it already.
    """

    path: Path
    message: str
    remedy: str
    structural: bool = False
    schema: Schema | None = None
    renamed: bool = False
    around: bool = False
    said: bool = False


def misfits(document: Document) -> list[Misfit]:
    """Everything that does not fit, at most one thing per key and one per value."""
    errors = [leaf for error in _validator().iter_errors(document.value) for leaf in _leaves(error)]
    found: dict[tuple[Path, bool], Misfit] = {}
    for error in sorted(errors, key=lambda error: error.validator == "type"):
        for misfit in _explain(document, error):
            found.setdefault((misfit.path, misfit.renamed), misfit)
    return [
        replace(misfit, said=True) if _is_misplaced(misfit, found) else misfit
        for misfit in found.values()
    ]


def _is_misplaced(missing: Misfit, found: dict[tuple[Path, bool], Misfit]) -> bool:
    """Whether a missing key stands one level too high, which is said there."""
    misplaced = found.get(((*missing.path[:-2], *missing.path[-1:]), False))
    return misplaced is not None and misplaced is not missing and misplaced.schema is None


@cache
def _validator() -> Validator:
    keywords = {"x-form": _check_form, "oneOf": _check_choice}
    kind: type[Validator] = extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    return kind(shipped())


def _check_form(
    _validator: Validator, name: str, written: object, schema: Schema
) -> Iterator[ValidationError]:
    """What a form knows and a pattern cannot say: bounds with units, and what was meant."""
    try:
        FORMS[name].read(
            written, schema.get("x-least"), schema.get("x-most"), schema["examples"][0]
        )
    except UnfitError as error:
        yield ValidationError(error.message, cause=error)


def _check_choice(
    validator: Any, branches: list[Schema], value: object, schema: Schema
) -> Iterator[ValidationError]:
    """Looks only into the branch that is chosen: a site is read once, not once for each kind."""
    _, branch = _choice(schema, value)
    found = [] if branch is None else [*validator.descend(value, branches[branch], None, branch)]
    if found or branch is None:
        yield ValidationError("", context=found)


def _choice(schema: Schema, value: object) -> tuple[Mapping[str, int], int | None]:
    """The branches by the word that chooses each, and the one that is chosen if one is."""
    values = {reference: word for word, reference in schema["discriminator"]["mapping"].items()}
    branches = {values[branch["$ref"]]: index for index, branch in enumerate(schema["oneOf"])}
    if not isinstance(value, dict):
        return branches, 0  # each of them says that a mapping belongs here
    word = value.get(schema["discriminator"]["propertyName"])
    return branches, branches.get(word) if isinstance(word, str) else None


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Follows a choice between schemas into the one that the user chose."""
    schema: Any = error.schema
    if error.validator == "anyOf":
        yield from _meant(error)
        return
    if error.validator != "oneOf":
        yield error
        return
    key: str = schema["discriminator"]["propertyName"]
    value: Any = error.instance
    branches, branch = _choice(schema, value)
    if branch is not None:
        for inner in error.context or ():
            yield from _leaves(inner)
        return
    known = f"known {key}s: {', '.join(branches)}"
    choice = {"enum": list(branches), "title": f"a known {key}", "description": known}
    if key in value:
        yield ValidationError("", "enum", [key], instance=value[key], schema=choice, parent=error)
    else:
        holder = {"properties": {key: choice}, "required": [key]}
        yield ValidationError("", "required", instance=value, schema=holder, parent=error)


def _meant(error: ValidationError) -> Iterator[ValidationError]:
    """A value or a mapping that says more: which of the two was meant is plain from the text."""
    branches = [resolved(branch).get("type") for branch in error.schema["anyOf"]]  # type: ignore[index]
    is_mapping = isinstance(error.instance, dict)
    meant = next(i for i, kind in enumerate(branches) if (kind == "object") is is_mapping)
    for inner in error.context or ():
        if inner.relative_schema_path[0] == meant:
            yield from _leaves(inner)


def _explain(document: Document, error: ValidationError) -> Iterator[Misfit]:
    path: Path = tuple(error.absolute_path)
    schema: Any = error.schema
    value: Any = error.instance
    # The discriminating key of a choice: without it nothing beside it can be judged.
    choice: Any = error.parent.schema if error.parent and not error.relative_schema_path else None
    if "propertyNames" in error.absolute_schema_path:
        if isinstance(error.cause, UnfitError):
            message, remedy = error.cause.message, error.cause.remedy
            message = f"{message} (got {shown(value)})"
            yield Misfit((*path, value), message, remedy, True, schema, renamed=True)
    elif "x-form" in schema and error.validator != "x-form":
        return  # the form says it better
    elif error.validator == "additionalProperties":
        yield from _unknown_keys(path, schema, value)
    elif error.validator == "required":
        for misfit in _missing_keys(path, schema, value):
            yield replace(misfit, schema=choice, around=True) if choice else misfit
    else:
        message, remedy = wrong_value(document, path, error)
        yield Misfit(path, message, remedy, bool(choice), choice or schema, around=bool(choice))


def _unknown_keys(path: Path, schema: Schema, value: dict[str, Any]) -> Iterator[Misfit]:
    known = schema["properties"]
    for key in (key for key in value if key not in known):
        below = [name for name in known if key in resolved(known[name]).get("properties", {})]
        free = [name for name in known if name not in value]
        keys = f"the keys here are {', '.join(known)}"
        remedy = f"move it below {below[0]}:" if below else did_you_mean(key, free, keys)
        yield Misfit((*path, key), "is not a known key", remedy, structural=True)


def _missing_keys(path: Path, schema: Schema, value: dict[str, Any]) -> Iterator[Misfit]:
    known = schema["properties"]
    free = [name for name in known if name not in value]
    meant = {nearest(key, free) for key in value if key not in known}
    for key in schema["required"]:
        if key in value:
            continue
        wanted = resolved(known[key])
        doc = str(wanted["description"]).rstrip(".").split(";")[0]
        remedy = f"add {key}: {example(wanted)} ({doc[:1].lower()}{doc[1:]})"
        # Misspelt is not missing, and is said already.
        misspelt = key in meant
        yield Misfit(
            (*path, key), "is missing", remedy, structural=True, schema=wanted, said=misspelt
        )
