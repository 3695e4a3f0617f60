"""Processes of labs, each known by a path in its own command line."""

from __future__ import annotations

from pathlib import Path

import psutil

from vdc.provider.processes import find

_END_S = 15.0


def kill(mark: Path | str) -> None:
    """Ends what has exactly this argument, as a crash would; returns when it is gone."""
    running = find(Path(mark))
    for process in running:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    _, left = psutil.wait_procs(running, _END_S)
    assert not left, f"do not end: {left}"
