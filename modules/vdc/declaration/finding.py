"""What a rule finds, before it is known where in the file that stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Path = tuple[str | int, ...]
"""Where in a document: keys of mappings and indices of lists, from the top."""

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that a rule objects to.

    Attributes:
        path: What it is about.
        message: What is wrong.
        remedy: What to do about it.
        level: ``error`` stops every command, ``warning`` is shown and passed over.
        rests_on: Other places it was concluded from: when one of them is wrong itself, the
            conclusion is not worth showing.
    """

    path: Path
    message: str
    remedy: str
    level: Level = "error"
    rests_on: tuple[Path, ...] = ()


Findings = Iterator[Finding]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if one is near."""
    by_folded = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), by_folded, n=1)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """``did you mean X?``, or else what the caller has to say."""
    close = nearest(word, known)
    return f"did you mean {close}?" if close else otherwise


def shorten(text: str, most: int = 60) -> str:
    """The text, or its beginning when nobody would read it all; secrets in it are left out."""
    text = re.sub(r"(//[^/@:\s]*):[^/@\s]*@|(PRIVATE KEY-----).+", _hidden, text, flags=re.DOTALL)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _hidden(secret: re.Match[str]) -> str:
    return f"{secret[1]}:***@" if secret[1] is not None else f"{secret[2]}..."


def quoted(text: str) -> str:
    """The text in quotes on one line, shortened; what does not print is escaped."""
    return json.dumps(shorten(text), ensure_ascii=not text.isprintable())


def dotted(path: Path) -> str:
    """``sites.here.groups.workers``; keys that are not plain words are quoted."""
    words = (str(part) for part in path)
    return ".".join(word if re.fullmatch(r"[\w-]+", word) else quoted(word) for word in words)
