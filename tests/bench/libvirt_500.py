"""Seconds and memory for a group of 100, 200 and 500 nodes on libvirt, through ten connections.

``python tests/bench/libvirt_500.py`` runs the group logic and the libvirt driver in this process
against libvirt's own test driver, whose machines are records: what is measured is ours. The bench
says itself that a node is ready, and stands in for the upload that the test driver lacks. It
makes a group, reads it, and removes it; it fails when time does not grow with the number of
nodes, or when memory passes the goal.
"""

from __future__ import annotations

import asyncio
import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from vdc.provider.drivers.libvirt.driver import LibvirtDriver
from vdc.provider.drivers.libvirt.model import HostSpec, Image, Nat, Size, Template
from vdc.provider.drivers.libvirt.names import realm
from vdc.provider.groups import converge, remove

COUNTS = (100, 200, 500)
CONNECTIONS = 10
MOST_MB = 300
# Per node, the largest group may take this much longer than the smallest: noise, and no square.
MOST_GROWTH = 2.0


class Ready:
    """Stands for the pool: every node is ready at once, and none holds work."""

    def at_once(self, count: int) -> int:
        """A tenth, as for work nodes."""
        return max(1, count // 10)

    async def spare(self, name: str, *, replaced: bool) -> None:
        """Always."""

    async def wait_ready(self, name: str) -> None:
        """At once."""

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        """Nothing is held."""
        return {}

    async def forget_others(self, names: frozenset[str]) -> None:
        """Nothing is known."""


def swallow(_connection: Any, _volume: Any, chunks: Iterable[bytes]) -> None:
    """Takes what would be written to a volume."""
    for _ in chunks:
        continue


def drivers(folder: Path, count: int) -> LibvirtDriver:
    """A driver for a group of this size over ten hosts, each with a state of its own."""
    image = folder / "image.raw"
    image.write_bytes(bytes(1 << 20))
    hosts = []
    for index in range(CONNECTIONS):
        state = folder / f"{count}-{index}.xml"
        state.write_text("<node/>")
        hosts.append(HostSpec(f"h{index}", f"test://{state}"))
    template = Template(
        realm=realm("bench", "bench", str(count)),
        owner="bench/lab/workers",
        site="lab",
        prefix="bench-lab-workers",
        names=tuple(f"bench-lab-workers-{index}" for index in range(count)),
        hosts=tuple(hosts),
        network=Nat("10.90.0.0/16"),
        image=Image(str(image), hashlib.sha256(image.read_bytes()).hexdigest()),
        machine="auto",
        arch="i686",  # what the test driver offers
        init="cloud-init",
        size=Size(1, 32, 64),
    )

    def userdata(name: str, secret: str, _: str) -> Mapping[str, str]:
        return {"user-data": f"#cloud-config\n# {secret}\n" * 300, "meta-data": f"{name} x\n"}

    async def admit(name: str) -> str:
        return name

    async def revoke(name: str) -> None:
        """Nobody was admitted anywhere."""

    async def living() -> tuple[str, ...]:
        return ()

    return LibvirtDriver(
        template,
        userdata,
        folder / str(count) / "lab.workers.json",
        admit=admit,
        revoke=revoke,
        living=living,
        send=swallow,
    )


async def measure(folder: Path, count: int) -> tuple[float, float, float]:
    """Seconds to make a group, to find that nothing is to be done, and to remove it."""
    driver, members, stopping = drivers(folder, count), Ready(), asyncio.Event()
    names = tuple(f"bench-lab-workers-{index}" for index in range(count))
    marks = [time.monotonic()]
    for _ in range(2):
        made = await converge(driver, members, names, stopping)
        assert made.problems == (), made.problems[:3]
        assert len(made.nodes) == count
        marks.append(time.monotonic())
    assert await remove(driver, members, made.nodes, stopping) == []
    await driver.tidy()
    assert await driver.owned() == {}
    marks.append(time.monotonic())
    making, reading, removing = (end - start for start, end in pairwise(marks))
    return making, reading, removing


def main() -> None:
    """Prints the table, and fails when a goal is missed."""
    print(f"{'nodes':>5}  {'make':>7}  {'again':>7}  {'remove':>7}  {'ms/node':>7}  peak MB")
    per_node = []
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), 10))  # imports, and the library's own start
        for count in COUNTS:
            making, reading, removing = asyncio.run(measure(Path(folder), count))
            per_node.append((making + reading + removing) / count * 1000)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(
                f"{count:>5}  {making:>6.1f}s  {reading:>6.1f}s  {removing:>6.1f}s  "
                f"{per_node[-1]:>7.1f}  {peak}",
                flush=True,
            )
    if peak > MOST_MB:
        sys.exit(f"peak memory is {peak} MB, above {MOST_MB}")
    if per_node[-1] > per_node[0] * MOST_GROWTH:
        sys.exit(
            f"a node takes {per_node[-1] / per_node[0]:.1f} times as long in the largest group"
        )


if __name__ == "__main__":
    main()
