"""How the pool lets the nodes of one group in, and keeps them out again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from vdc.errors import SchedulerError
from vdc.provider import admission
from vdc.provider.permissions import permitted
from vdc.provider.resources.node_group import GroupInputs
from vdc.scheduler.client import Nomad


@dataclass(frozen=True)
class Door:
    """The pool's, for one group.

    Attributes:
        joined: Whether the node of this name has joined and may come back with what it has.
        admit: Gives a secret with which the node of this name may join once; empty where the
            group's nodes need none.
        revoke: Keeps the node of this name out for good.
    """

    joined: Callable[[str], Awaitable[bool]]
    admit: Callable[[str], Awaitable[str]]
    revoke: Callable[[str], Awaitable[None]]


def door(inputs: GroupInputs, nomad: Nomad | None) -> Door:
    """The door for a group; without a scheduler it opens to nobody but servers."""
    if inputs.role == "server":
        return _OPEN

    def scheduler() -> Nomad:
        if nomad is None:
            raise SchedulerError("a work node can be admitted only through the scheduler")
        return nomad

    async def joined(name: str) -> bool:
        found, _ = await admission.Admissions(scheduler()).get(name)
        return found is not None and found.state == "used"

    async def admit(name: str) -> str:
        return await admission.admit(scheduler(), name, inputs.site, inputs.group)

    async def revoke(name: str) -> None:
        try:
            await admission.revoke(scheduler(), name)
        except SchedulerError:
            if not permitted().without_pool:
                raise

    return Door(joined, admit, revoke)


async def _joined(_: str) -> bool:
    return True


async def _no_secret(_: str) -> str:
    return ""


async def _nothing(_: str) -> None:
    """Servers are not admitted but made, so there is nothing to take back."""


_OPEN = Door(_joined, _no_secret, _nothing)
