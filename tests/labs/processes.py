"""Programs that labs run: those that end, and those that are known by a path they were given."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import psutil

from vdc.provider.processes import find

_END_S = 15.0


def output(words: Sequence[str]) -> str:
    """Runs a command; its output.

    Raises:
        AssertionError: It failed; with what it said.
    """
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise AssertionError(f"{' '.join(words)}: code {done.returncode}: {said}")
    return done.stdout


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


def kill_whole(run: subprocess.Popen[bytes]) -> None:
    """Ends a program and all that it has started, as a machine that loses power does."""
    whole = psutil.Process(run.pid)
    for process in [*whole.children(recursive=True), whole]:
        process.kill()
    run.wait(_END_S)
