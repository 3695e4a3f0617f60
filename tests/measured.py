"""What the benches of a whole `pulumi up` share: one run, runs by turns, and their medians."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.checkout import Checkout
from vdc.home import Home
from vdc.toolchain.found import paths


@dataclass(frozen=True)
class Run:
    """Seconds from the command until nodes were ready, and until it said that it was done.

    Attributes:
        begun: When the command was given, in seconds of the epoch.
        note: What else was measured.
    """

    begun: float
    ready: float
    done: float
    note: str = ""


def pulumi_up(place: Checkout, made: str) -> Run:
    """One `pulumi up` of a fresh stack; what `vdc env` prepares is prepared before.

    Args:
        place: Where; its declaration is written.
        made: What is created when nodes are ready, as Pulumi prints it: type and name. The
            provider says so when the scheduler's blocking query has said it of every node.

    Raises:
        SystemExit: It failed; with what it printed.
    """
    environment = {**place.environment, **json.loads(place.vdc("env", "-o", "json").stdout)}
    pulumi = shutil.which("pulumi", path=environment["PATH"])
    assert pulumi is not None
    sign = re.compile(rf"{re.escape(made)} created")
    begun, clock = time.monotonic(), time.time()
    with subprocess.Popen(
        [*place.prefix, pulumi, "up", "--yes", "--skip-preview"],
        cwd=place.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = 0.0
        said = []
        for line in process.stdout:
            said.append(line)
            if sign.search(line):
                ready = time.monotonic()
    done = time.monotonic()
    if process.returncode or not ready:
        raise SystemExit("".join(said))
    return Run(clock, ready - begun, done - begun)


def plain_script(words: Sequence[str], home: Path) -> Run:
    """One run of a shell script that does the same by hand.

    It prints ``ready`` when the scheduler says so, and undoes all when its standard input ends.
    """
    nomad = paths(Home.of_user()).nomad
    begun, clock = time.monotonic(), time.time()
    with subprocess.Popen(
        words,
        env={"PATH": f"{nomad.parent}:{os.environ['PATH']}", "HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as script:
        assert script.stdout is not None
        assert script.stdout.readline() == "ready\n"
        ready = time.monotonic()
    return Run(clock, ready - begun, ready - begun)


def by_turns(kinds: Mapping[str, Callable[[], Run]], count: int) -> dict[str, float]:
    """Runs each so many times, one after the other, and prints it; the median until ready."""
    runs: dict[str, list[Run]] = {name: [] for name in kinds}
    for number in range(count):
        for name, once in kinds.items():
            runs[name].append(run := once())
            print(
                f"{number + 1} {name:12} {run.ready:6.2f} s ready, {run.done:6.2f} s done{run.note}"
            )
    medians = {name: statistics.median(run.ready for run in made) for name, made in runs.items()}
    for name, median in medians.items():
        print(f"median {name:12} {median:6.2f} s ready")
    return medians
