"""Whether a machine can become a node, before anything of it is changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vdc.bootstrap.node import needs_program
from vdc.provider.agent import ARCHITECTURES
from vdc.provider.drivers.ssh.machine import Login
from vdc.provider.drivers.ssh.marks import Look, script

MOST_SKEW_S = 60
"""Certificates and tokens are good from a moment on; beyond this they would not be yet."""

INSTALL_KIB = 1024 * 1024
"""The bundle, what is unpacked from it, and room for the agent to begin."""

KERNELS_SHARE = 0.1
"""Of a machine's memory firmware and kernel keep some before anybody can count it."""


@dataclass(frozen=True)
class Clocks:
    """A machine's clock at the look, between this side's before and after it; since 1970."""

    theirs: int
    before: float
    after: float

    @property
    def skew_s(self) -> float:
        """How far theirs is ahead for certain, whatever the look took; below 0: behind."""
        if self.theirs > self.after:
            return self.theirs - self.after
        return min(0.0, self.theirs + 1 - self.before)  # it shows whole seconds


@dataclass(frozen=True)
class Wanted:
    """What a machine must have.

    Attributes:
        arch: The processor that the software is for.
        bundle_sha256: The software; what is there already needs no room.
        cores: What the declaration says that each machine of the group has.
        memory_mib: Likewise.
    """

    arch: str
    bundle_sha256: str
    cores: int
    memory_mib: int


def problems(look: Look, clocks: Clocks, wanted: Wanted) -> Iterator[str]:
    """What keeps a machine from becoming a node, each with its remedy. Pure."""
    if look.kernel != "Linux":
        yield f"it runs {look.kernel}, and a node is a Linux machine"
    arch = ARCHITECTURES.get(look.machine, look.machine)
    if arch != wanted.arch:
        yield f"its processor is {arch}, and the agent's program on this side is for {wanted.arch}"
    skew = clocks.skew_s
    if abs(skew) > MOST_SKEW_S:
        where = "ahead of" if skew > 0 else "behind"
        yield (
            f"its clock is {abs(skew):.0f} s {where} ours, and {MOST_SKEW_S} s are allowed; let it "
            "follow a time server"
        )
    if look.installed != wanted.bundle_sha256 and look.free_kib < INSTALL_KIB:
        yield (
            f"{look.free_kib // 1024} MiB are free under /var/lib, and {INSTALL_KIB // 1024} MiB "
            "are needed; make room"
        )
    if look.cores < wanted.cores:
        yield f"it has {look.cores} cores, and its group declares {wanted.cores}; declare no more"
    if look.memory_mib < wanted.memory_mib * (1 - KERNELS_SHARE):
        yield (
            f"it has {look.memory_mib} MiB of memory, and its group declares "
            f"{wanted.memory_mib} MiB; declare no more"
        )


async def lacking(remote: Login, parts: Iterable[str]) -> list[str]:
    """What a node needs and the machine has not, for all that it is to do there."""
    lacks = await remote.run("preflight", needs_program(), *parts)
    return [f"it has no {lacks.strip()}; install that with its packages"] if lacks else []


async def out_of_reach(remote: Login, addresses: Iterable[str]) -> Iterator[str]:
    """Which of the addresses (``host:port``) the machine cannot open a connection to."""
    lost = await remote.run("preflight", script("reach"), *addresses)
    return (
        f"it cannot reach {address}; see to its routes and to the firewalls between"
        for address in lost.split()
    )
