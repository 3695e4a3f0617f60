"""Bytes into one YAML node tree, or one plain sentence about why not."""

from __future__ import annotations

import re

import yaml

MOST_BYTES = 16 * 2**20
MOST_DEPTH = 40

_CLOSERS = {"sequence": ("list", "]"), "mapping": ("mapping", "}")}
_INDENTATION = "align it with its neighbours, with spaces"


class UnreadableError(Exception):
    """There is no document to check: not text, not YAML, or not a single mapping."""

    def __init__(self, line: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
        self.remedy = remedy


def compose(data: bytes) -> yaml.MappingNode:
    """The top mapping of the only document in the data.

    Raises:
        UnreadableError: There is none, or it is nested deeper than any declaration.
    """
    text = _decode(data)
    try:
        _survey(text)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _explain(text, error) from error
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise UnreadableError(
            line,
            f"holds the control character U+{int(error.character):04X}",
            "remove it, or save the file again as plain text",
        ) from error
    if root is None:
        raise UnreadableError(1, "is empty", "begin with name:, control: and sites:")
    if not isinstance(root, yaml.MappingNode):
        found = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        raise UnreadableError(
            root.start_mark.line + 1,
            f"is not a mapping at its top level (got {found})",
            "begin with keys such as name: and sites:",
        )
    return root


def _decode(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise UnreadableError(
            1,
            f"is larger than any declaration (got more than {MOST_BYTES // 2**20} MiB)",
            "name a YAML declaration",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            data[: error.start].count(b"\n") + 1,
            f"is not UTF-8 text (got the byte 0x{data[error.start]:02X})",
            "save the file as UTF-8",
        ) from error


def _survey(text: str) -> None:
    """Looks over the events before any tree is built: the composer recurses in C."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise UnreadableError(
                        _line(event),
                        "begins a second document",
                        "keep one data centre per file and remove this ---",
                    )
            case yaml.CollectionStartEvent():
                depth += 1
                if depth > MOST_DEPTH:
                    raise UnreadableError(
                        _line(event),
                        f"is nested more than {MOST_DEPTH} levels deep",
                        "close what is open above, or remove what does not belong here",
                    )
            case yaml.CollectionEndEvent():
                depth -= 1


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _explain(text: str, error: yaml.MarkedYAMLError) -> UnreadableError:
    """The findings of libyaml in words for somebody who does not know its grammar."""
    lines = text.splitlines() or [""]
    mark, opened = error.problem_mark, error.context_mark
    line = min(mark.line + 1, len(lines)) if mark else 1
    rest = lines[line - 1][mark.column :] if mark and mark.line < len(lines) else ""
    since = opened.line + 1 if opened else line
    problem = error.problem or ""

    if "\t" in (rest[:1], lines[line - 1].lstrip(" ")[:1]):
        return UnreadableError(line, "is indented with a tab", "indent with spaces")
    if "quoted scalar" in (error.context or "") and "unexpected end" in problem:
        return UnreadableError(since, "opens quotes that are never closed", "close the quotes")
    if flow := re.search(r"parsing a flow (sequence|mapping)", error.context or ""):
        what, closer = _CLOSERS[flow.group(1)]
        return UnreadableError(
            since, f"opens a {what} that is not closed by line {line}", f"close it with {closer}"
        )
    if "mapping values are not allowed" in problem:
        return UnreadableError(
            line,
            "has a colon where no key can be",
            "put a value that holds a colon in quotes, or mend the indentation or the line above",
        )
    if "did not find expected" in problem:
        return UnreadableError(line, "is not indented like what it belongs to", _INDENTATION)
    if "could not find expected ':'" in problem:
        return UnreadableError(since, "has a key without a colon", "write key: value")
    if "undefined alias" in problem:
        name = re.match(r"\*?([\w-]*)", rest)
        alias = name.group(1) if name else ""
        return UnreadableError(
            line, f"uses *{alias}, which no &{alias} above declares", "declare it or write it out"
        )
    if "cannot start any token" in problem and rest:
        return UnreadableError(
            line, f"has a value that begins with {rest[0]}", "put the value in quotes"
        )
    return UnreadableError(
        line, f"is not YAML here: {problem}", "check quotes, colons and indentation"
    )
