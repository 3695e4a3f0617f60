"""Which host a new node goes to. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from vdc.errors import NodeError


@dataclass(frozen=True)
class Room:
    """A host that new nodes may go to.

    Attributes:
        host: Its name.
        cpus: Its processors.
        memory_mib: Its memory.
        used_cpus: Processors of the machines on it, whoever owns them.
        used_mib: Memory likewise.
        members: Nodes of the group there.
    """

    host: str
    cpus: int
    memory_mib: int
    used_cpus: int
    used_mib: int
    members: int

    @property
    def free_mib(self) -> int:
        """Memory that no machine has been promised."""
        return self.memory_mib - self.used_mib


@dataclass
class _Filling:
    room: Room
    new: int = 0
    new_mib: int = 0
    new_cpus: int = 0

    def free_mib(self) -> int:
        return self.room.free_mib - self.new_mib

    def members(self) -> int:
        return self.room.members + self.new

    def busy(self) -> float:
        return (self.room.used_cpus + self.new_cpus) / max(1, self.room.cpus)


def place(
    names: Iterable[str], rooms: Collection[Room], cpus: int, memory_mib: int, *, apart: bool
) -> Mapping[str, str | NodeError]:
    """Chooses a host for each new node, in order; a name that fits nowhere gets the reason.

    Memory is never promised twice; processors may be, and the least promised go first among
    equals. Equal questions get equal answers, whatever the order of ``rooms``.

    Args:
        names: The new nodes.
        rooms: Hosts that can be reached.
        cpus: Processors of each node.
        memory_mib: Memory of each node.
        apart: The fewest of the group on one host comes before everything else.
    """
    filling = [_Filling(room) for room in sorted(rooms, key=lambda room: room.host)]
    chosen: dict[str, str | NodeError] = {}
    for name in names:
        fitting = [host for host in filling if host.free_mib() >= memory_mib]
        if not fitting:
            chosen[name] = NodeError(_full(filling, memory_mib))
            continue
        best = min(
            fitting,
            key=lambda host: (
                host.members() if apart else 0,
                -host.free_mib(),
                host.busy(),
                host.members(),
            ),
        )
        best.new += 1
        best.new_mib += memory_mib
        best.new_cpus += cpus
        chosen[name] = best.room.host
    return chosen


def _full(filling: Collection[_Filling], memory_mib: int) -> str:
    if not filling:
        return "placement: none of the hosts can be reached"
    free = ", ".join(f"{host.room.host}: {max(0, host.free_mib())} MiB" for host in filling)
    return (
        f"placement: no host has {memory_mib} MiB of memory free ({free}); "
        "lower size or count, or add a host"
    )
