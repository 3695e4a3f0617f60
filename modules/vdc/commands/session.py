"""What the commands work with: whom they ask, where they write, what they may read."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from vdc.client import PoolClient

# As wide as any table gets: a pipe has no edge to wrap at.
_PIPE_WIDTH = 250


class Output(StrEnum):
    """How results are written to standard output."""

    TABLE = "table"
    JSON = "json"


@dataclass(frozen=True)
class Session:
    """One caller of the commands: a shell, or the console's panel.

    Attributes:
        connect: Makes a client, to be used as a context manager; called when a command needs
            it, as many times as it needs one, so that help works without a pool.
        console: Where results go.
        notes: Where progress goes and everything else that is no result.
        output: How results are written, unless the command is told otherwise.
        read: Reads a file that the caller names; the panel's refuses, because the files there
            are the service's and not the caller's.
    """

    connect: Callable[[], PoolClient]
    console: Console
    notes: Console
    output: Output = Output.TABLE
    read: Callable[[Path], bytes] = Path.read_bytes

    @classmethod
    def of_terminal(
        cls, connect: Callable[[], PoolClient], output: Output = Output.TABLE
    ) -> Session:
        """The session of a shell: results to standard output, notes to standard error."""
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
        console = Console(width=width, soft_wrap=False, highlight=False)
        return cls(connect, console, Console(stderr=True, highlight=False), output)

    @classmethod
    def of(cls, context: typer.Context, output: Output | None = None) -> Session:
        """The session that a command runs in.

        Raises:
            TypeError: The application was called without one.
        """
        session = context.find_root().obj
        if not isinstance(session, Session):
            raise TypeError("the commands need a Session as the context's object")
        return replace(session, output=output) if output else session

    @property
    def as_json(self) -> bool:
        """Whether a program reads the results."""
        return self.output is Output.JSON

    def write(self, data: bytes) -> None:
        """Passes on what a program printed, as it is."""
        _pass_on(self.console, data)

    def write_error(self, data: bytes) -> None:
        """Passes on what a program printed to its standard error."""
        _pass_on(self.notes, data)

    def note(self, text: str) -> None:
        """One line beside the results; nobody's program reads it."""
        self.notes.print(text, markup=False, soft_wrap=True)


def _pass_on(console: Console, data: bytes) -> None:
    binary = getattr(console.file, "buffer", None)
    if isinstance(binary, io.BufferedIOBase):
        binary.write(data)
        binary.flush()
    else:
        console.file.write(data.decode(errors="replace"))
        console.file.flush()
