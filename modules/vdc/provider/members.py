"""A node group in the pool: waiting until nodes are ready, draining them, forgetting them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence

from vdc.errors import NodeError, SchedulerError
from vdc.provider.many import for_each
from vdc.provider.permissions import Permissions
from vdc.scheduler.autopilot import cluster_health, takes_part
from vdc.scheduler.client import Nomad
from vdc.scheduler.idle import until_idle
from vdc.scheduler.model import Allocation, SchedulerNode

# Longest blocking query; the scheduler answers at once when something changes.
_WAIT_S = 30
_ASK_AGAIN_S = 0.5
_REDUNDANT = 3  # with so many servers one may go


class ClientMembers:
    """Work nodes, as the scheduler knows them.

    Args:
        nomad: A connection with the provisioner's token.
        site: The group's site, the scheduler's ``datacenter``.
        group: The group, the scheduler's ``node_class``.
        ready_s: Seconds that a new node gets to become ready.
        drain_s: Seconds that a node's work gets to move.
        permitted: Whether work that has to go is stopped and not moved, and whether a scheduler
            that does not answer keeps it.
    """

    def __init__(
        self,
        nomad: Nomad,
        site: str,
        group: str,
        *,
        ready_s: int,
        drain_s: int,
        permitted: Permissions,
    ) -> None:
        self._nomad = nomad
        self._site = site
        self._group = group
        self._ready_s = ready_s
        self._drain_s = drain_s
        self._permitted = permitted
        self._watch = _NodeWatch(nomad)

    def at_once(self, count: int) -> int:
        """A tenth of the group."""
        return max(1, count // 10)

    async def spare(self, name: str, *, replaced: bool) -> None:
        """Its work moves; the drain says when it cannot."""

    async def wait_ready(self, name: str) -> None:
        """See :class:`~vdc.provider.drivers.Members`."""
        try:
            async with asyncio.timeout(self._ready_s):
                node = await self._watch.until(name, lambda node: node.status == "ready")
        except TimeoutError:
            known = (await self._watch.now()).get(name)
            stage = f"the scheduler says {known.status}" if known else "it has not registered"
            raise NodeError(f"not ready after {self._ready_s} s: {stage}") from None
        if node.draining or (not node.eligible and node.drained_by_us):
            await self._nomad.cancel_drain(node.id, eligible=True)

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        """See :class:`~vdc.provider.drivers.Members`."""
        try:
            known = await self._watch.now()
        except SchedulerError:
            if self._permitted.without_pool:
                return {}
            raise
        # A node that is down has no work left to move: the scheduler has placed it elsewhere.
        nodes = [known[name] for name in sorted(names) if name in known]
        alive = [node for node in nodes if node.status not in ("down", "disconnected")]
        nomad = self._nomad
        # All before the first is drained, so that no work moves to one that goes as well.
        await for_each(lambda node: nomad.set_eligible(node.id, eligible=False), alive)
        await for_each(lambda node: nomad.drain(node.id, force=self._permitted.stop_work), alive)
        left: dict[str, list[Allocation]] = {}
        for one in await until_idle(nomad, [node.id for node in alive], self._drain_s):
            left.setdefault(one.node_id, []).append(one)
        await for_each(lambda node_id: nomad.cancel_drain(node_id, eligible=False), left)
        return {node.name: self._still_runs(left[node.id]) for node in alive if node.id in left}

    async def forget(self, name: str) -> None:
        """See :class:`~vdc.provider.drivers.Members`."""
        await self._purge(lambda node: node.name == name)
        self._watch.forget(name)

    async def forget_others(self, names: frozenset[str]) -> None:
        """See :class:`~vdc.provider.drivers.Members`."""
        await self._purge(lambda node: self._is_ours(node) and node.name not in names)

    def _is_ours(self, node: SchedulerNode) -> bool:
        return (node.datacenter, node.node_class) == (self._site, self._group)

    async def _purge(self, goes: Callable[[SchedulerNode], bool]) -> None:
        gone = [node.id for node in await self._nomad.nodes() if goes(node)]
        await for_each(self._nomad.purge_node, gone)

    def _still_runs(self, left: Collection[Allocation]) -> str:
        work = ", ".join(sorted(f"{a.job} ({a.name}, {a.id[:8]})" for a in left))
        return (
            f"still runs {work} after {self._drain_s} s of draining; it takes no new work. "
            "Stop or move that work and run up again, or run up with --force to stop it"
        )


class ServerMembers:
    """Control servers: the cluster resource waits for them, and no work runs on them.

    Args:
        servers: A connection to each, with the right to ask for the cluster's health; none before
            there is a cluster.
        count: How many servers there are to be.
        settle_s: Seconds that the cluster gets to become healthy after a change.
        unhealthy: Ask nobody whether the cluster can do without a server.
    """

    def __init__(
        self, servers: Sequence[Nomad], count: int, *, settle_s: int = 180, unhealthy: bool = False
    ) -> None:
        self._servers = servers
        self._count = count
        self._settle_s = settle_s
        self._unhealthy = unhealthy

    def at_once(self, count: int) -> int:
        """One: the others are the majority."""
        return 1

    async def spare(self, name: str, *, replaced: bool) -> None:
        """Waits until every server takes part and is healthy; there is no event for that."""
        if self._unhealthy or not self._servers:
            return
        if replaced and self._count < _REDUNDANT:
            raise NodeError(
                "not replaced, because with it would go what the scheduler knows; "
                "let three servers carry the control plane"
            )
        try:
            async with asyncio.timeout(self._settle_s):
                while not await self._bears(replaced=replaced):  # noqa: ASYNC110 - see above
                    await asyncio.sleep(_ASK_AGAIN_S)
        except TimeoutError:
            raise NodeError(
                f"not changed, because for {self._settle_s} s not every server took part and was "
                "called healthy by autopilot; bring the others back first, or run up with --force"
            ) from None

    async def _bears(self, *, replaced: bool) -> bool:
        """Whether one may be changed.

        A server that was replaced is soon forgotten, and those that are left call themselves
        healthy although they can lose none before its successor has come.
        """
        if not all(await asyncio.gather(*(takes_part(one) for one in self._servers))):
            return False
        health = await cluster_health(self._servers[0])
        return health.healthy and (health.tolerates > 0 or not replaced)

    async def wait_ready(self, name: str) -> None:
        """Nothing to wait for here."""

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        """No work, nothing held."""
        return {}

    async def forget(self, name: str) -> None:
        """Autopilot removes it when its successor has come."""

    async def forget_others(self, names: frozenset[str]) -> None:
        """Autopilot removes dead servers."""


class _NodeWatch:
    """One blocking query for all who wait for nodes, however many they are."""

    def __init__(self, nomad: Nomad) -> None:
        self._nomad = nomad
        self._changed = asyncio.Condition()
        self._nodes: dict[str, SchedulerNode] = {}
        self._task: asyncio.Task[None] | None = None
        self._failure: SchedulerError | None = None
        self._waiting = 0

    async def now(self) -> dict[str, SchedulerNode]:
        """The newest node of each name."""
        nodes = sorted(await self._nomad.nodes(), key=lambda node: node.modify_index)
        return {node.name: node for node in nodes}

    def forget(self, name: str) -> None:
        """What was seen of a node is true no longer."""
        self._nodes.pop(name, None)

    async def until(self, name: str, holds: Callable[[SchedulerNode], bool]) -> SchedulerNode:
        self._waiting += 1
        if self._task is None or self._task.done():
            self._failure, self._nodes = None, {}
            self._task = asyncio.create_task(self._follow())
        try:
            async with self._changed:
                while True:
                    if self._failure:
                        raise self._failure
                    node = self._nodes.get(name)
                    if node is not None and holds(node):
                        return node
                    await self._changed.wait()
        finally:
            self._waiting -= 1
            if not self._waiting and self._task:
                self._task.cancel()

    async def _follow(self) -> None:
        index = 0
        while True:
            try:
                index = await self._nomad.watch_nodes(index, _WAIT_S)
                nodes = await self.now()
            except SchedulerError as error:
                async with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            async with self._changed:
                self._nodes = nodes
                self._changed.notify_all()
