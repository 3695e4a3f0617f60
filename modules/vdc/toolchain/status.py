"""What is on this machine, for people and for programs; makes and fetches nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from vdc.toolchain import shim
from vdc.toolchain.found import Found, find
from vdc.toolchain.pins import HOST, PINS, PULUMI

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vdc.home import Home

_SOURCES = {"path": "found on PATH", "release": "official release", "build": "built from source"}
_WIDEST = 500


def status(home: Home) -> tuple[Found, ...]:
    """Every engine and the language host, found or missing."""
    engines = {pin.engine: find(pin, home) for pin in PINS}
    host = shim.official(engines[PULUMI.engine]) or find(HOST, home)
    return (*engines.values(), shim.status(host))


def show(engines: Iterable[Found]) -> None:
    """Prints one row an engine to standard output; a missing one says why."""
    console = Console()
    table = Table("engine", "version", "from", "path", box=None, pad_edge=False)
    for found in engines:
        if found.path:
            source = _SOURCES[found.source] if found.source else ""
            table.add_row(found.engine, found.version, source, str(found.path))
        else:
            table.add_row(found.engine, found.version, "[red]missing[/red]", found.problem)
    # As wide as it needs: a path that is broken into lines cannot be copied.
    wide = console.options.update(max_width=_WIDEST)
    console.width = max(console.width, Measurement.get(console, wide, table).maximum)
    console.print(table)


def as_json(engines: Iterable[Found]) -> str:
    """A list of objects with engine, version, path, source, ok and problem."""
    return json.dumps(
        [
            {
                "engine": found.engine,
                "version": found.version,
                "path": str(found.path) if found.path else None,
                "source": found.source,
                "ok": found.ok,
                "problem": found.problem,
            }
            for found in engines
        ],
        indent=2,
    )
