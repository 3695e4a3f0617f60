"""Makes the declaration's reference page: ``python -m vdc.declaration.reference``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from vdc.declaration.published import Schema, resolved, shipped
from vdc.declaration.registry import FORMS, KINDS

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


@dataclass
class _Section:
    """One object of the schema: its places, and the kinds of site in which it stands."""

    schema: Schema
    paths: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        title = ", ".join(f"`{path}`" for path in self.paths) or "Top level"
        if self.kinds and len(self.kinds) < len(KINDS):
            quoted = [f"`{kind}`" for kind in self.kinds]
            kinds = " and ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))
            title += f" of kind{'s' if len(self.kinds) > 1 else ''} {kinds}"
        return title


def render() -> str:
    """The reference as the text of its page."""
    pages = [_HEAD]
    for section in _sections():
        schema = section.schema
        pages.append(f"## {section.title}\n\n{schema['description']}\n\n{_table(schema)}\n")
    return "\n".join(pages)


def _sections() -> list[_Section]:
    """Each object of the schema once, outermost first."""
    found = {"": _Section(shipped())}
    waiting = [(path, reference, "") for path, reference in _below("", shipped())]
    while waiting:
        path, reference, kind = waiting.pop(0)
        schema = resolved({"$ref": reference})
        kind = schema["properties"].get("kind", {}).get("const", kind)
        section = found.setdefault(reference, _Section(schema))
        for known, one in ((section.paths, path), (section.kinds, kind)):
            if one and one not in known:
                known.append(one)
        below = [(place, inner, kind) for place, inner in _below(f"{path}.", schema)]
        waiting = [*below, *waiting]
    return list(found.values())


def _below(prefix: str, schema: Schema) -> Iterator[tuple[str, str]]:
    for key, inner in schema["properties"].items():
        for choice in inner.get("anyOf", [inner]):
            if "$ref" in choice:
                yield prefix + key, choice["$ref"]
        entries = inner.get("additionalProperties") or {}
        for choice in entries.get("oneOf", [entries]):
            if "$ref" in choice:
                yield f"{prefix}{key}.NAME", choice["$ref"]


def _table(schema: Schema) -> str:
    rows = ["| key | written as | default | a change | |", "|---|---|---|---|---|"]
    for key, entry in schema["properties"].items():
        default = f"`{json.dumps(entry['default'])}`" if "default" in entry else ""
        if key in schema.get("required", ()):
            default = "required"
        change = _CHANGES[entry["x-change"]]
        meaning = resolved(entry)["description"]
        rows.append(f"| `{key}` | {_written(entry)} | {default} | {change} | {meaning} |")
    return "\n".join(rows)


def _written(entry: Schema) -> str:
    if "const" in entry:
        return f"`{entry['const']}`"
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if "anyOf" in entry:
        return ", or ".join(_written(choice) for choice in entry["anyOf"])
    form = FORMS.get(entry.get("x-form", ""))
    text = form.rule if form else _TYPES[resolved(entry)["type"]]
    if "items" in entry:
        text = f"a list, each {_written(entry['items'])}"
    if "propertyNames" in entry and entry.get("additionalProperties"):
        text = "a mapping by name"
    least = entry.get("x-least", entry.get("minimum"))
    most = entry.get("x-most", entry.get("maximum"))
    if least is not None and most is not None:
        text += f"; {least} to {most}"
    return text


if __name__ == "__main__":
    sys.stdout.write(render())
