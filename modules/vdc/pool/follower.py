"""Keeps the picture of the pool true: follows the scheduler's events, lists when it must."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from vdc.errors import SchedulerError
from vdc.pool.facts import NodeFacts
from vdc.pool.readmodel import APP, NAMESPACE, RUN, ReadModel, rebuilt
from vdc.pool.watch import Watch
from vdc.scheduler.client import Nomad
from vdc.scheduler.model import Allocation, Event, SchedulerNode
from vdc.scheduler.outcome import Job, Placement
from vdc.scheduler.stream import opened
from vdc.scheduler.work import Work

_LOG = logging.getLogger(__name__)
_TOPICS = ("Node", "Allocation", "Job", "Deployment", "Evaluation")
# The scheduler forgets ended nodes without an event; a listing now and then notices.
_RELIST_S = 600.0
# A server that is away offers no event; knocking is cheap, and a second goes unnoticed.
_KNOCK_S = 0.5
_WATCH_S = 300
# Thousands of nodes that change at once are listed together.
_GATHER_S = 1.0
_RUN_PREFIX = "run-"


class Follower:
    """Owner of the read model.

    Attributes:
        model: The picture; replaced as a whole by every listing.
        as_of: When the scheduler was last heard; None before it ever was.
        stale: Whether it is out of touch now.
    """

    def __init__(self, nomad: Nomad, watch: Watch, facts: NodeFacts) -> None:
        self._nomad = nomad
        self._work = Work(nomad)
        self._watch = watch
        self._facts = facts
        self._fresh = asyncio.Event()
        self.model = ReadModel()
        self.as_of: datetime | None = None

    @property
    def stale(self) -> bool:
        """Whether the scheduler is out of touch."""
        return not self._fresh.is_set()

    async def in_touch(self) -> None:
        """Returns once the scheduler is being followed."""
        await self._fresh.wait()

    async def run(self) -> None:
        """Follows for ever; a scheduler that is away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_events())
            group.create_task(self._run_removals())

    async def _run_events(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_RELIST_S):
                    await self._follow()
            except TimeoutError:
                continue
            except SchedulerError as error:
                if not self.stale:
                    _LOG.warning("the scheduler is out of touch: %s", error)
                    self._fresh.clear()
                    self._watch.pool_changed(stale=True)
                await asyncio.sleep(_KNOCK_S)

    async def _run_removals(self) -> None:
        """The scheduler removes a node without an event; its index of nodes moves all the same."""
        index = 0
        while True:
            await self.in_touch()
            try:
                index = await self._nomad.watch_nodes(index, _WATCH_S)
                before = set(self.model.nodes)  # what comes while the list is made is no removal
                there = await self._nomad.node_ids()
            except SchedulerError:
                index = 0
                await asyncio.sleep(_KNOCK_S)
                continue
            for gone in before - there:
                if node := self.model.nodes.get(gone):
                    self.model.drop_node(gone)
                    self._watch.node_changed(node, gone=True)
            await asyncio.sleep(_GATHER_S)

    async def _follow(self) -> None:
        async with opened(self._nomad, _TOPICS) as batches:
            self.model = await self._listed()
            self.as_of = datetime.now(UTC)
            if self.stale:
                _LOG.info("following the scheduler")
                self._fresh.set()
                self._watch.pool_changed(stale=False)
            self._watch.everything_changed()
            await self._facts.sweep()
            async for batch in batches:
                self.as_of = datetime.now(UTC)
                for event in batch:
                    self._apply(event)

    async def _listed(self) -> ReadModel:
        nodes = await self._nomad.nodes()
        allocations = await self._nomad.allocations()
        stubs = await self._nomad.jobs()
        jobs = [await self._whole(Job.of(stub)) for stub in stubs]
        query = {
            "filter": f'JobID matches "^{_RUN_PREFIX}"',
            "task_states": "true",
            "namespace": NAMESPACE,
        }
        runs = await self._nomad.json("GET", "/v1/allocations", params=query)
        return rebuilt(
            nodes,
            allocations,
            [job for job in jobs if job is not None and job.namespace == NAMESPACE],
            [Placement.of(raw) for raw in runs or []],
        )

    async def _whole(self, stub: Job) -> Job | None:
        """A list says little about a job; what we ask about is read as a whole."""
        return await self._work.job(stub.id) if stub.fact(APP) or stub.fact(RUN) else stub

    def _apply(self, event: Event) -> None:
        match event.topic:
            case "Node":
                self._apply_node(event)
            case "Allocation":
                self._apply_allocation(event.payload)
            case "Job":
                self._apply_job(event)
            case "Deployment" | "Evaluation":
                self._watch.job_changed(str(event.payload.get("JobID", "")))

    def _apply_node(self, event: Event) -> None:
        node = SchedulerNode.of(event.payload)
        if event.type == "NodeDeregistration":
            known = self.model.nodes.get(node.id)
            if known is not None and known.modify_index <= event.index:
                self.model.drop_node(node.id)
                self._watch.node_changed(node, gone=True)
            return
        self.model.put_node(node)
        self._watch.node_changed(node, gone=False)
        self._facts.seen(node, event.payload.get("Meta") or {})

    def _apply_allocation(self, raw: Mapping[str, Any]) -> None:
        allocation = Allocation.of(raw)
        self.model.put_allocation(allocation)
        if allocation.job.startswith(_RUN_PREFIX):
            self.model.put_run(Placement.of(raw))
        self._watch.job_changed(allocation.job)

    def _apply_job(self, event: Event) -> None:
        job = Job.of(event.payload)
        if event.deleted:
            # The scheduler forgets the job's allocations with it, without an event of theirs.
            self.model.drop_job(job.namespace, job.id)
            self._watch.forget("run", job.id)
        elif job.namespace == NAMESPACE:
            self.model.put_job(job)
        self._watch.job_changed(event.key)
