"""What a kind of site must be able to do with one node. Everything about groups is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["running", "stopped", "partial", "unreachable"]


@dataclass(frozen=True)
class NodeFacts:
    """One node as its back end shows it.

    Attributes:
        name: The node's name.
        state: ``running``; ``stopped`` when all of it is there but it does not run;
            ``partial`` when an earlier attempt ended before all of it was made; ``unreachable``
            when the back end cannot say, so that it is neither gone nor known to be as wanted.
        digest: Digest of the template it was made from.
        facts: Sorted pairs for people and for resources that follow: address, ports.
    """

    name: str
    state: State
    digest: str
    facts: tuple[tuple[str, str], ...] = ()


class Driver(Protocol):
    """Makes, reads and removes single nodes of one group.

    A node carries the group's mark at the back end from before anything else of it exists, so
    that whatever a killed run leaves is found again. All methods may be cancelled at any await
    and called again.
    """

    digest: str
    """Digest of the template that ``create`` makes nodes from."""

    at_once: int
    """How many nodes may be in the hands of ``create`` or ``delete`` at the same time."""

    async def owned(self) -> Mapping[str, NodeFacts]:
        """Every node that carries the group's mark, whatever its state."""

    async def create(self, name: str) -> NodeFacts:
        """Makes a node, or brings one of ours to the template: completes, restarts, reconfigures.

        Raises:
            ForeignNodeError: Something of that name exists without our mark; it is not touched.
            NodeError: The node could not be made; the text names the stage reached.
        """

    def in_place(self, node: NodeFacts) -> bool:
        """Whether ``create`` brings this running node to the template without an end of its work.

        When not, the node is drained and deleted before it is created again.
        """

    async def explain(self, name: str) -> str:
        """What is known of a node that did not become ready: the stage reached, its last words.

        Empty when the pool knows as much. Raises nothing for a back end that does not answer.
        """

    async def delete(self, name: str) -> None:
        """Removes a node of ours and all that belongs to it; already gone is success.

        Raises:
            NodeError: Something of it is still there.
        """

    async def tidy(self) -> None:
        """Removes what is ours beside the nodes; called at the end of every run.

        That is what nodes shared and none of them uses any more, and what requests have made whose
        answers were lost.

        Raises:
            NodeError: Something of it is still there.
        """


class Members(Protocol):
    """The group's nodes as the pool sees them."""

    def at_once(self, count: int) -> int:
        """How many nodes of a group of this size may change at the same time."""

    async def spare(self, name: str, *, replaced: bool) -> None:
        """Returns when the group can do without this node for the time of a change.

        Args:
            name: The node.
            replaced: Whether it comes back with nothing of what it holds now.

        Raises:
            NodeError: It cannot, or not before the deadline.
        """

    async def wait_ready(self, name: str) -> None:
        """Returns when the node takes work; ends a drain of ours that was not carried through.

        Raises:
            NodeError: It was not ready before its deadline.
        """

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        """Moves the work of these nodes away, all at once, so that none goes to another of them.

        Returns:
            For each node that still holds work at the deadline, one line that names the work.
        """

    async def forget(self, name: str) -> None:
        """Makes the pool forget a node that is gone and comes back as another of its name.

        Raises:
            SchedulerError: It was not told.
        """

    async def forget_others(self, names: frozenset[str]) -> None:
        """Makes the pool forget every node of the group but these; they are gone for good.

        Raises:
            SchedulerError: It was not told, or not of all.
        """
