"""How the work on the toolchain is shown: live on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

_PLAIN_SECONDS = 30
"""Without a terminal, one line that often says that a build still runs."""

_LABEL_WIDTH = 16


class Reporter(Protocol):
    """What the steps of an installation tell the person who waits for it."""

    def say(self, label: str, text: str) -> None:
        """One line about one engine (``nomad 1.2.3``)."""

    def download(
        self, label: str, name: str, size: int | None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """A download of ``size`` bytes, if known; the callable takes the bytes of each chunk."""

    def build(self, label: str) -> AbstractContextManager[Callable[[str], None]]:
        """A build; the callable takes each line of its output."""


def reporter() -> Reporter:
    """The one that suits standard error, so that standard output stays free for results."""
    console = Console(stderr=True, highlight=False)
    return LiveReporter(console) if console.is_terminal else PlainReporter(console)


class PlainReporter:
    """One line an event, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, label: str, text: str) -> None:
        """Prints at once, unwrapped, so that a line can be searched for."""
        line = f"[bold]{escape(label):<{_LABEL_WIDTH}}[/bold]  {escape(text)}"
        self._console.print(line, soft_wrap=True)

    @contextmanager
    def download(self, label: str, name: str, size: int | None) -> Iterator[Callable[[int], None]]:
        """Says what is fetched and how big it is."""
        amount = f" ({size / 1e6:.1f} MB)" if size else ""
        self.say(label, f"downloading {name}{amount}")
        yield lambda _count: None

    @contextmanager
    def build(self, label: str) -> Iterator[Callable[[str], None]]:
        """Says every half a minute where the build is."""
        started = shown = time.monotonic()

        def line(text: str) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown >= _PLAIN_SECONDS:
                shown = now
                self.say(label, f"building for {now - started:.0f} s: {text}")

        yield line


class LiveReporter(PlainReporter):
    """A bar for a download, a spinner with time and last line for a build."""

    @contextmanager
    def download(self, label: str, name: str, size: int | None) -> Iterator[Callable[[int], None]]:
        """A bar that goes when the download has ended."""
        with Progress(
            TextColumn(f"{escape(label):<{_LABEL_WIDTH}}  {escape(name)}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=self._console,
            transient=True,
        ) as progress:
            task = progress.add_task("", total=size)
            yield lambda count: progress.update(task, advance=count)

    @contextmanager
    def build(self, label: str) -> Iterator[Callable[[str], None]]:
        """A spinner that goes when the build has ended."""
        with Progress(
            TextColumn(f"{escape(label):<{_LABEL_WIDTH}} "),
            SpinnerColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            transient=True,
        ) as progress:
            task = progress.add_task("go build", total=None)
            yield lambda text: progress.update(task, description=text)
