"""Seconds from `pulumi up` to three ready nodes, beside a shell script that does the same.

``python tests/bench/time_to_pool.py [--runs 5]`` alternates between the two and prints the median
of each and their ratio. The script (``plain_cluster.sh``) starts the same Nomad cluster with the
same TLS, gossip key, ACL and strict introduction. Both are over when the scheduler says that
three nodes are ready: the script asks it every 0.1 s; our provider says that the group is made
when the scheduler's blocking query has said it of every node, which is checked once more after
the run. The time to the end of the command, when the pool API answers too, is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.checkout import checkout
from vdc.home import Home
from vdc.provider.slots import choose
from vdc.toolchain import paths

MOST_TIMES = 1.5
MADE = re.compile(r"NodeGroup here-workers created")
SCRIPT = Path(__file__).with_name("plain_cluster.sh")


@dataclass(frozen=True)
class Run:
    """Seconds until three nodes were ready, and until the command said that it was done."""

    ready: float
    done: float


def ours() -> Run:
    """One `pulumi up` of a fresh stack; what `vdc env` prepares is prepared before."""
    with checkout("bench") as place:
        environment = {**place.environment, **json.loads(place.vdc("env", "-o", "json").stdout)}
        begun = time.monotonic()
        with subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview"],
            executable=shutil.which("pulumi", path=environment["PATH"]),
            cwd=place.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as pulumi:
            assert pulumi.stdout is not None
            ready = next(time.monotonic() for line in pulumi.stdout if MADE.search(line))
            pulumi.stdout.read()
        done = time.monotonic()
        assert sorted(place.registered().items()) == [(name, "ready") for name in place.names(3)]
    return Run(ready - begun, done - begun)


def plain() -> Run:
    """One run of the script."""
    nomad = paths(Home.of_user()).nomad
    with tempfile.TemporaryDirectory(prefix="plain-", dir="/tmp") as folder:
        ports = choose(folder, ()).ports
        begun = time.monotonic()
        with subprocess.Popen(
            ["sh", SCRIPT, folder, str(ports.http)],
            env={"PATH": f"{nomad.parent}:{os.environ['PATH']}", "HOME": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as script:
            assert script.stdout is not None
            assert script.stdout.readline() == "ready\n"
            ready = time.monotonic()
        return Run(ready - begun, ready - begun)


def main() -> None:
    """Prints each run and the verdict; exit code 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each")
    runs: dict[str, list[Run]] = {"pulumi up": [], "plain script": []}
    for number in range(parser.parse_args().runs):
        for name, once in (("pulumi up", ours), ("plain script", plain)):
            runs[name].append(run := once())
            print(f"{number + 1} {name:12} {run.ready:6.2f} s ready, {run.done:6.2f} s done")
    medians = {name: statistics.median(run.ready for run in made) for name, made in runs.items()}
    ratio = medians["pulumi up"] / medians["plain script"]
    for name, median in medians.items():
        print(f"median {name:12} {median:6.2f} s")
    print(f"ratio {ratio:.2f}, goal at most {MOST_TIMES}")
    sys.exit(ratio > MOST_TIMES)


if __name__ == "__main__":
    main()
