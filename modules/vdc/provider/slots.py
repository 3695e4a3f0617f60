"""Port slots for agents that share one machine: each gets a hundred ports and keeps them."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass

from vdc.bootstrap.agent import Ports
from vdc.errors import NodeError
from vdc.provider.processes import port_free

# Below the ephemeral ports (32768 and up on Linux), above what services register.
_FIRST, _WIDTH, _COUNT = 20000, 100, 120
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Slot:
    """A hundred consecutive ports."""

    number: int

    @property
    def ports(self) -> Ports:
        """The agent's own three, and the rest for its tasks."""
        base = _FIRST + self.number * _WIDTH
        return Ports(base, base + 1, base + 2, base + 10, base + _WIDTH - 1)

    def free_at(self, host: str) -> bool:
        """Whether all of it can be bound now at an address of this machine."""
        base = _FIRST + self.number * _WIDTH
        return all(port_free(host, port) for port in range(base, base + _WIDTH))


def choose(seed: str, taken: Collection[int], host: str = HOST) -> Slot:
    """A free slot: the search begins at a place given by the seed, so that stacks keep apart.

    Raises:
        NodeError: Every slot is in use.
    """
    start = zlib.crc32(seed.encode()) % _COUNT
    for offset in range(_COUNT):
        slot = Slot((start + offset) % _COUNT)
        if slot.number not in taken and slot.free_at(host):
            return slot
    raise NodeError(
        f"no {_WIDTH} free ports in a row between {_FIRST} and {_FIRST + _COUNT * _WIDTH}; "
        "stop what uses them or declare fewer nodes on this machine"
    )
