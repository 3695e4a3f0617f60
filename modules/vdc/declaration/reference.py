"""Makes the declaration's reference page: ``python -m vdc.declaration.reference``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from vdc.declaration.published import Schema, resolved, shipped
from vdc.declaration.registry import FORMS

_HEAD = """# The declaration

Made from `schemas/declaration.schema.json` by `python -m vdc.declaration.reference`. Editors that
know the YAML language server check a file as you type if it begins with

    # yaml-language-server: $schema=../schemas/declaration.schema.json

`vdc validate` checks a file offline. `NAME` stands for a name that you choose. "A change" says
what a later change of the key does: **in place** loses nothing; **replace** makes the machines, or
the app, again, a few at a time; **never** means that the key stays for the life of the stack.
"""
_CHANGES = {"in-place": "in place", "replace": "replace", "refused": "never"}
_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "boolean": "`true` or `false`",
}


def render() -> str:
    """The reference as the text of its page."""
    pages = [_HEAD]
    for paths, schema in _sections():
        title = ", ".join(f"`{path}`" for path in paths) or "Top level"
        if kind := schema["properties"].get("kind"):
            title += f" of kind `{kind['const']}`"
        pages.append(f"## {title}\n\n{schema['description']}\n\n{_table(schema)}\n")
    return "\n".join(pages)


def _sections() -> list[tuple[list[str], Schema]]:
    """Each object of the schema with every place where it stands, outermost first."""
    found: dict[str, tuple[list[str], Schema]] = {"": ([], shipped())}
    waiting = list(_below("", shipped()))
    while waiting:
        path, reference = waiting.pop(0)
        schema = resolved({"$ref": reference})
        found.setdefault(reference, ([], schema))[0].append(path)
        waiting = [*_below(f"{path}.", schema), *waiting]
    return list(found.values())


def _below(prefix: str, schema: Schema) -> Iterator[tuple[str, str]]:
    for key, field in schema["properties"].items():
        if "$ref" in field:
            yield prefix + key, field["$ref"]
        entries = field.get("additionalProperties") or {}
        for choice in entries.get("oneOf", [entries]):
            if "$ref" in choice:
                yield f"{prefix}{key}.NAME", choice["$ref"]


def _table(schema: Schema) -> str:
    rows = ["| key | written as | default | a change | |", "|---|---|---|---|---|"]
    for key, field in schema["properties"].items():
        default = f"`{json.dumps(field['default'])}`" if "default" in field else ""
        if key in schema.get("required", ()):
            default = "required"
        change = _CHANGES[field["x-change"]]
        meaning = resolved(field)["description"]
        rows.append(f"| `{key}` | {_written(field)} | {default} | {change} | {meaning} |")
    return "\n".join(rows)


def _written(field: Schema) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    form = FORMS.get(field.get("x-form", ""))
    text = form.rule if form else _TYPES[resolved(field)["type"]]
    if "propertyNames" in field and field.get("additionalProperties"):
        text = "a mapping by name"
    least = field.get("x-least", field.get("minimum"))
    most = field.get("x-most", field.get("maximum"))
    if least is not None and most is not None:
        text += f"; {least} to {most}"
    return text


if __name__ == "__main__":
    sys.stdout.write(render())
