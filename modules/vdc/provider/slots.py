"""Port slots for agents that share one machine: each gets a hundred ports and keeps them."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Collection
from dataclasses import dataclass

from vdc.bootstrap.agent import Ports
from vdc.errors import NodeError
from vdc.provider.processes import port_free

# Below the ephemeral ports (32768 and up on Linux), above what services register.
_FIRST, _WIDTH, _COUNT = 20000, 100, 120
# Of a slot's ports one that neither an agent nor a task ever has.
_GUARD = 3
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
        """Whether all that it is for can be bound now at an address of this machine."""
        base = _FIRST + self.number * _WIDTH
        ports = (base + offset for offset in range(_WIDTH) if offset != _GUARD)
        return all(port_free(host, port) for port in ports)

    def hold(self, host: str) -> Held | None:
        """Keeps all others from choosing it at this address; None when another one does."""
        guard = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            guard.bind((host, _FIRST + self.number * _WIDTH + _GUARD))
        except OSError:
            guard.close()
            return None
        return Held(self, guard)


@dataclass(frozen=True)
class Held:
    """A slot that nobody else chooses until it is closed, or until this process ends.

    Between the choice and the start of who listens there all of it is free, and so it is while an
    agent starts anew: whoever looked then would take it.
    """

    slot: Slot
    _guard: socket.socket

    def close(self) -> None:
        """From now on what listens there keeps it; idempotent."""
        self._guard.close()


def choose(seed: str, taken: Collection[int], host: str = HOST) -> Held:
    """A free slot: the search begins at a place given by the seed, so that stacks keep apart.

    Raises:
        NodeError: Every slot is in use.
    """
    start = zlib.crc32(seed.encode()) % _COUNT
    for offset in range(_COUNT):
        slot = Slot((start + offset) % _COUNT)
        if slot.number not in taken and (held := slot.hold(host)):
            if slot.free_at(host):
                return held
            held.close()
    raise NodeError(
        f"no {_WIDTH} free ports in a row between {_FIRST} and {_FIRST + _COUNT * _WIDTH}; "
        "stop what uses them or declare fewer nodes on this machine"
    )
