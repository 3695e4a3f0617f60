"""Group logic and libvirt driver for up to 500 domains over ten connections, in one process.

``python tests/bench/libvirt_500.py`` makes, looks at, shrinks and removes a group of 125, 250 and
500 nodes, each in a process of its own, on ten hosts of libvirt's test driver: real definitions,
volumes and marks of machines that are only records. The bench says that a node is ready as soon as
it is asked; all else is the product's. Time per node must not grow with their number, and the
process, with all that a provider loads, must stay under 300 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import vdc.provider.main  # noqa: F401 - what it loads counts
from provider.libvirt_hosts import Rack
from vdc.plan.model import Size
from vdc.provider.drivers import NodeFacts
from vdc.provider.groups import Converged, converge, remove

SIZES = (125, 250, 500)
HOSTS = tuple(f"h{number}" for number in range(10))
MOST_MB = 300
# Per node and step, the largest group beside the smallest: a square would make this 4.
MOST_GROWTH = 1.5


class Ready:
    """Members of a pool in which every node takes work as soon as it is there."""

    def at_once(self, count: int) -> int:
        """As in the pool."""
        return max(1, count // 10)

    async def spare(self, name: str, *, replaced: bool) -> None:
        """Any node, at any time."""

    async def wait_ready(self, name: str) -> None:
        """At once."""

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        """None holds work."""
        return {}

    async def forget(self, name: str) -> None:
        """Nothing to forget."""

    async def forget_others(self, names: frozenset[str]) -> None:
        """Nothing to forget."""


def discard(_connection: Any, _volume: Any, chunks: Iterable[bytes]) -> None:
    """Stands for the upload, which the test driver lacks."""
    for _ in chunks:
        pass


async def steps(rack: Rack, count: int) -> dict[str, float]:
    """Seconds of each step in the life of a group."""
    names = tuple(f"dc-lab-workers-{index}" for index in range(count))
    changes = {"names": names, "size": Size(1000, 16, 64)}
    stopping = asyncio.Event()
    taken: dict[str, float] = {}

    async def timed(step: str, work: Awaitable[Any]) -> Any:
        begun = time.monotonic()
        done = await work
        taken[step] = time.monotonic() - begun
        return done

    def run(wanted: tuple[str, ...]) -> Awaitable[Converged]:
        return converge(rack.driver(**changes), Ready(), wanted, stopping)

    def domains() -> int:
        return sum(len(rack.domains(host)) for host in HOSTS)

    made = await timed("make", run(names))
    assert made.problems == (), made.problems[:3]
    assert domains() == len(made.nodes) == count
    unchanged = await timed("look", run(names))
    assert sorted(unchanged.nodes, key=_name) == sorted(made.nodes, key=_name)
    shrunk = await timed("shrink", run(names[: count // 2]))
    assert domains() == len(shrunk.nodes) == count // 2
    driver = rack.driver(**changes)
    owned = (await driver.owned()).values()
    assert await timed("remove", remove(driver, Ready(), owned, stopping)) == []
    await driver.tidy()
    assert domains() == sum(len(rack.volumes(host)) for host in HOSTS) == 0
    return taken


def _name(node: NodeFacts) -> str:
    return node.name


def one(count: int) -> None:
    """Measures one size in this process and prints it as JSON."""
    with tempfile.TemporaryDirectory(prefix="vdc-bench-") as folder:
        rack = Rack(Path(folder), HOSTS)
        rack.sent = discard  # type: ignore[assignment] - keeps nothing
        taken = asyncio.run(steps(rack, count))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": taken, "peak_mb": peak}))


def main() -> None:
    """Prints each size and the verdict; exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    if count := parser.parse_args().one:
        one(count)
        return
    measured = {}
    for count in SIZES:
        command = [sys.executable, __file__, "--one", str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        measured[count] = json.loads(done.stdout)
        each = measured[count]["seconds"].items()
        shown = ", ".join(
            f"{step} {s:6.2f} s ({1000 * s / count:5.1f} ms/node)" for step, s in each
        )
        print(f"{count:4} nodes: {shown}; peak {measured[count]['peak_mb']:.0f} MB")
    least, most = (
        sum(measured[count]["seconds"].values()) / count for count in (SIZES[0], SIZES[-1])
    )
    peak = measured[SIZES[-1]]["peak_mb"]
    print(f"time per node grows by {most / least:.2f}, goal at most {MOST_GROWTH}")
    print(f"peak {peak:.0f} MB, goal under {MOST_MB} MB")
    sys.exit(most / least > MOST_GROWTH or peak >= MOST_MB)


if __name__ == "__main__":
    main()
