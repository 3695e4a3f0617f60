"""Gives nodes the facts of their group (labels, price) without restarting anything."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence

from vdc.errors import SchedulerError
from vdc.pool.config import MARK, Group, ours
from vdc.pool.readmodel import state_of
from vdc.scheduler.client import Nomad
from vdc.scheduler.model import SchedulerNode

_LOG = logging.getLogger(__name__)
_AT_ONCE = 16
# A node may be ready a moment before its servers can reach it, and no event tells when they can.
_AGAIN_S = 2.0
_TRIES = 15


class NodeFacts:
    """Compares what nodes carry with what their groups declare, and writes the difference."""

    def __init__(self, nomad: Nomad, groups: Sequence[Group]) -> None:
        self._nomad = nomad
        self._groups: dict[tuple[str, str], Group] = {}
        self._queue: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        self._queued: set[str] = set()
        self._wanted: dict[str, dict[str, str]] = {}
        self.declare(groups)

    def declare(self, groups: Sequence[Group]) -> None:
        """Takes the declared groups; what differs is written as nodes are seen."""
        self._groups = {(group.site, group.node_class): group for group in groups}

    def seen(self, node: SchedulerNode, meta: Mapping[str, str]) -> None:
        """A node as it is now, with its metadata as far as it is known."""
        group = self._groups.get((node.datacenter, node.node_class))
        if group is None or state_of(node) == "down":
            return
        wanted = group.facts
        if meta.get(MARK) == wanted[MARK]:
            self._wanted.pop(node.id, None)
            return
        self._wanted[node.id] = wanted
        self._enqueue(node.id, 1)

    async def sweep(self) -> None:
        """Looks up every node that lacks the facts of its group: one question a group."""
        for group in self._groups.values():
            params = {"filter": unmarked(group)}
            for raw in await self._nomad.json("GET", "/v1/nodes", params=params) or []:
                self.seen(SchedulerNode.of(raw), {})

    async def run(self) -> None:
        """Works for ever, on a few nodes at once."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(_AT_ONCE):
                workers.create_task(self._work())

    def _enqueue(self, node_id: str, attempt: int) -> None:
        if node_id not in self._queued:
            self._queued.add(node_id)
            self._queue.put_nowait((node_id, attempt))

    async def _work(self) -> None:
        while True:
            node_id, attempt = await self._queue.get()
            self._queued.discard(node_id)
            wanted = self._wanted.get(node_id)
            if wanted is None:
                continue
            try:
                await self._write(node_id, wanted)
            except SchedulerError as error:
                if attempt < _TRIES:
                    loop = asyncio.get_running_loop()
                    loop.call_later(_AGAIN_S, self._enqueue, node_id, attempt + 1)
                else:
                    _LOG.warning("node %s cannot be given its facts: %s", node_id, error)
            else:
                self._wanted.pop(node_id, None)

    async def _write(self, node_id: str, wanted: Mapping[str, str]) -> None:
        has = await self._nomad.node_meta(node_id)
        changes = difference(has, wanted)
        if changes:
            await self._nomad.set_node_meta(node_id, changes)


def difference(has: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """What must be set, and with None removed, so that our part of ``has`` is ``wanted``."""
    gone: dict[str, str | None] = {key: None for key in has if ours(key) and key not in wanted}
    changed = {key: value for key, value in wanted.items() if has.get(key) != value}
    return {**gone, **changed}


def unmarked(group: Group) -> str:
    """A filter on the scheduler's list of nodes: those of the group that lack its facts."""
    quote = json.dumps
    return (
        f"Datacenter == {quote(group.site)} and NodeClass == {quote(group.node_class)} "
        f"and Meta.{MARK} != {quote(group.facts[MARK])}"
    )
