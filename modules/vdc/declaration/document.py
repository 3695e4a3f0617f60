"""YAML into plain values that still know their lines.

Stricter than YAML itself: a declaration is JSON written comfortably. What YAML would read
in a surprising way (octal numbers, dates, keys like ``yes``) is a problem here, not a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from vdc.declaration.finding import Path, dotted, quoted, shorten
from vdc.declaration.syntax import MOST_DEPTH, UnreadableError, compose
from vdc.errors import Problem

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TRUTH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_QUOTED = ('"', "'", "|", ">")
_PLAIN_INT = r"[-+]?(0|[1-9][0-9_]*)"
_PLAIN_FLOAT = r"[-+]?[0-9_]*\.?[0-9_]*([eE][-+]?[0-9]{1,2})?"
_SORTS = {
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
    "timestamp": "a date",
}
_MOST_VALUES = 250_000
_MOST_EXACT = 2**53  # beyond it JSON readers no longer agree on a number


@dataclass(frozen=True)
class Document:
    """One YAML document as read.

    Attributes:
        file: Its name as the user gave it.
        value: Mappings, lists, text, whole numbers, decimals, truth values and None.
        problems: What could not be read as one of these.
        unsound: Where ``value`` therefore holds a stand-in.
    """

    file: str
    value: dict[str, Any]
    problems: tuple[Problem, ...]
    unsound: frozenset[Path]
    _lines: dict[Path, int] = field(repr=False)
    _scalars: dict[Path, yaml.ScalarNode] = field(repr=False)

    def line(self, path: Path) -> int:
        """The line of the key at the path, or of the nearest thing around it that exists."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def written(self, path: Path) -> str | None:
        """A single value exactly as the file has it, without its quotes; None for others."""
        scalar = self._scalars.get(path)
        return str(scalar.value) if scalar else None

    def got(self, path: Path, value: object) -> str:
        """The value for a message: as written, and how YAML reads it where that surprises."""
        scalar = self._scalars.get(path)
        if isinstance(value, dict | list) or scalar is None:
            return f"got {shown(value)}"
        if scalar.style in _QUOTED:
            return f"got the text {quoted(scalar.value)}"
        read, written = shown(value), shown(scalar.value)
        if value is None or read == written:
            return f"got {read}"
        return f"got {written}, which YAML reads as {read}"

    def problem(self, path: Path, message: str, remedy: str, level: str = "error") -> Problem:
        """A problem at a path of this document."""
        return Problem(self.file, self.line(path), dotted(path), message, remedy, level)


def shown(value: object) -> str:
    """A value on one line: single ones as they are, shortened when long."""
    match value:
        case dict():
            return "a mapping" if value else "{}"
        case list():
            return "a list" if value else "[]"
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
    text = str(value)
    return shorten(text) if text.isprintable() and text.strip() == text != "" else quoted(text)


def read(data: bytes, file: str) -> Document:
    """Reads one document.

    Raises:
        UnreadableError: There is no document to speak of; says where and why.
    """
    root = compose(data)
    reader = _Reader(file)
    reader.lines[()] = root.start_mark.line + 1
    value = reader.mapping(root, ())
    return Document(
        file,
        value,
        tuple(reader.problems),
        frozenset(reader.unsound),
        reader.lines,
        reader.scalars,
    )


class _Reader:
    """One walk over the node tree; collects problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.unsound: set[Path] = set()
        self.lines: dict[Path, int] = {}
        self.scalars: dict[Path, yaml.ScalarNode] = {}
        self.budget = _MOST_VALUES

    def object_to(self, node: yaml.Node, path: Path, message: str, remedy: str) -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(self.file, line, dotted(path), message, remedy))

    def spend(self, node: yaml.Node, depth: int) -> None:
        """Aliases can make a small file endless; no declaration comes near the budget."""
        self.budget -= 1
        if self.budget < 0 or depth > MOST_DEPTH:
            raise UnreadableError(
                node.start_mark.line + 1,
                "grows without bound: an alias contains itself, or aliases multiply",
                "write the repeated parts out",
            )

    def value(self, node: yaml.Node, path: Path) -> Any:
        self.spend(node, len(path))
        if isinstance(node, yaml.ScalarNode):
            self.scalars[path] = node
            return self.scalar(node, path)
        if not node.tag.startswith(_TAG) or node.tag[len(_TAG) :] not in ("map", "seq"):
            self.unknown_tag(node, path)
        return (
            self.mapping(node, path)
            if isinstance(node, yaml.MappingNode)
            else [self.item(item, (*path, index)) for index, item in enumerate(node.value)]
        )

    def item(self, node: yaml.Node, path: Path) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        own = [(key, value) for key, value in node.value if key.tag != _MERGE]
        for key_node, value_node in own:
            key = self.key(key_node, path)
            here = (*path, key)
            line = key_node.start_mark.line + 1
            if key in made:
                lines = f"on lines {self.lines[here]} and {line}"
                self.object_to(key_node, here, f"is declared twice, {lines}", "keep one of them")
                continue
            self.lines[here] = line
            made[key] = self.value(value_node, here)
        for key_node, value_node in self.merged(node, path, 0):
            key = self.key(key_node, path)
            if key not in made:
                self.lines[(*path, key)] = key_node.start_mark.line + 1
                made[key] = self.value(value_node, (*path, key))
        return made

    def merged(
        self, node: yaml.MappingNode, path: Path, depth: int
    ) -> list[tuple[yaml.Node, yaml.Node]]:
        """What ``<<`` brings in; nearer keys first, since the first of a name wins."""
        pairs: list[tuple[yaml.Node, yaml.Node]] = []
        for source in (value for key, value in node.value if key.tag == _MERGE):
            for base in source.value if isinstance(source, yaml.SequenceNode) else [source]:
                self.spend(base, depth)
                if isinstance(base, yaml.MappingNode):
                    pairs += [pair for pair in base.value if pair[0].tag != _MERGE]
                    pairs += self.merged(base, path, depth + 1)
                    self.budget -= len(pairs)
                else:
                    self.object_to(
                        base, (*path, "<<"), "merges something else than a mapping",
                        "write <<: *name, where &name marks a mapping",
                    )  # fmt: skip
        return pairs

    def key(self, node: yaml.Node, path: Path) -> str:
        if not isinstance(node, yaml.ScalarNode):
            sort = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
            self.object_to(node, path, f"has {sort} for a key", "write keys as plain words")
            made_up = f"line {node.start_mark.line + 1}"
            self.unsound.add((*path, made_up))
            return made_up
        text = str(node.value)
        if node.tag not in (f"{_TAG}str", f"{_TAG}value"):
            sort = _SORTS.get(node.tag.removeprefix(_TAG), "something else")
            self.unsound.add((*path, text))
            self.object_to(
                node,
                (*path, text),
                f"is a key that YAML reads as {sort} (got {shown(text)})",
                f'put the key in quotes: "{text}":' if text else "write a key before the colon",
            )
        return text

    def scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "str" | "value":
                return text
            case "null":
                return None
            case "bool" if text.lower() in _TRUTH:
                return _TRUTH[text.lower()]
            case "int":
                return self.number(node, path, _PLAIN_INT, int)
            case "float":
                return self.number(node, path, _PLAIN_FLOAT, Decimal)
            case "timestamp":
                self.unsound.add(path)
                self.object_to(
                    node, path, f"is a date to YAML (got {text})", f'put it in quotes: "{text}"'
                )
            case _:
                self.unknown_tag(node, path)
        return text

    def number(self, node: yaml.ScalarNode, path: Path, plain: str, sort: type) -> Any:
        text = str(node.value)
        try:
            number = sort(text) if re.fullmatch(plain, text) and len(text) < 40 else None
        except (InvalidOperation, ValueError):
            number = None
        if number is not None and abs(number) <= _MOST_EXACT:
            return number
        self.unsound.add(path)
        self.object_to(
            node,
            path,
            f"is a number that not every program reads alike (got {shown(text)})",
            "write plain decimal digits, or put it in quotes where text is meant",
        )
        return text

    def unknown_tag(self, node: yaml.Node, path: Path) -> None:
        self.unsound.add(path)
        tag = node.tag.replace(_TAG, "!!")
        self.object_to(
            node, path, f"has a YAML tag that means nothing here (got {shown(tag)})",
            "remove the tag",
        )  # fmt: skip
