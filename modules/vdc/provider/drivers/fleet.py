"""What a kind of site must be able to do with a group that its cloud keeps. The rest is elsewhere.

Beside :class:`~vdc.provider.drivers.Driver`, for clouds that make a group's machines themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Standing = Literal["ready", "leaving", "lost"]
"""A node in the pool: ``leaving`` was taken out of work, ``lost`` does not answer."""


@dataclass(frozen=True)
class Instance:
    """One machine as the cloud shows it.

    Attributes:
        id: What the cloud calls it; its node's name is the group's prefix, a hyphen and this.
        state: ``ending`` once the cloud or somebody there has begun to end it.
        template: What it was made from.
        address: Its private address; empty while it has none.
        zone: Where it stands.
        age_s: Seconds since its start.
        spot: Whether it is of the market, and the cloud may take it back.
    """

    id: str
    state: Literal["pending", "running", "ending"]
    template: str
    address: str = ""
    zone: str = ""
    age_s: int = 0
    spot: bool = False


class Fleet(Protocol):
    """A cloud's own group, which replaces machines that die and changes its size for nobody else.

    All methods may be cancelled at any await and called again.
    """

    async def instances(self) -> Sequence[Instance]:
        """Every machine of the group; none when there is no group (any more).

        Raises:
            NodeError: The cloud does not say.
        """

    async def grow(self, count: int) -> None:
        """Asks for ``count`` machines, and returns once the cloud shows as many.

        Raises:
            NodeError: It does not come to that; says why, in the cloud's words. What was asked
                for and has not come is asked for no more.
        """

    async def end(self, ids: frozenset[str]) -> None:
        """Ends exactly these, and with each the group wants one less; returns when they are gone.

        Gone already is success.

        Raises:
            NodeError: One of them is still there.
        """

    async def mark(self, tags: Mapping[str, str]) -> None:
        """Makes its machines, with all that goes with them, carry these marks of ownership.

        Those that come later have them from the cloud. Idempotent.

        Raises:
            NodeError: The cloud refuses.
        """

    async def explain(self, identity: str) -> str:
        """What the cloud knows of a machine that did not become ready.

        Empty when that is nothing. Raises nothing for a cloud that does not answer.
        """


class Pool(Protocol):
    """The fleet's machines as the pool sees them, by the names of their nodes."""

    async def standing(self) -> Mapping[str, Standing]:
        """Every node that the pool knows of this group."""

    async def wait_ready(self, name: str) -> None:
        """Returns when the node takes work; ends a drain of ours that was not carried through.

        Raises:
            NodeError: It was not ready before its deadline.
        """

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        """Moves the work of these nodes away; a line for each that keeps work."""

    async def dismiss(self, names: frozenset[str]) -> None:
        """Makes worthless what these nodes were given when they joined; they are about to end."""

    async def forget_others(self, names: frozenset[str]) -> None:
        """Makes the pool forget every node of the group but these; they are gone for good.

        Raises:
            SchedulerError: It was not told, or not of all.
        """
