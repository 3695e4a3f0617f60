"""Waiting until nodes are idle: one listing and one stream of events, however many nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from vdc.errors import SchedulerError
from vdc.scheduler.client import Nomad
from vdc.scheduler.model import Allocation, Event
from vdc.scheduler.outcome import Job
from vdc.scheduler.stream import opened


async def until_idle(
    nomad: Nomad, node_ids: Collection[str], within_s: float
) -> Collection[Allocation]:
    """Returns as soon as nothing lives on any of these nodes, or when the time is up.

    A query for each node would take a connection each, and a server has a limit of them.

    Returns:
        What still lives there; nothing when they are idle.

    Raises:
        SchedulerError: The scheduler cannot be asked.
    """
    nodes = frozenset(node_ids)
    try:
        async with asyncio.timeout(within_s):
            idle = not nodes
            while not idle:  # what is missed between two streams is in the second one's listing
                idle = await _seen_idle(nomad, nodes)
    except TimeoutError:
        return (await _living(nomad, nodes)).values()
    return ()


async def _seen_idle(nomad: Nomad, nodes: frozenset[str]) -> bool:
    """Whether they were idle before the stream broke off.

    The scheduler ends the stream of a reader that falls behind, as one may when the work of
    thousands of nodes ends at once.
    """
    async with opened(nomad, ("Allocation", "Job")) as batches:
        living = await _living(nomad, nodes)
        while living:
            try:
                events = await anext(batches)
            except SchedulerError:
                return False
            _apply(events, nodes, living)
    return True


async def _living(nomad: Nomad, nodes: frozenset[str]) -> dict[str, Allocation]:
    found = await nomad.allocations(live=True)
    return {each.id: each for each in found if each.node_id in nodes}


def _apply(events: Iterable[Event], nodes: frozenset[str], living: dict[str, Allocation]) -> None:
    for event in events:
        if event.topic == "Job":
            if event.deleted:  # its allocations are forgotten with it, without an event of theirs
                _drop(Job.of(event.payload), living)
            continue
        now = Allocation.of(event.payload)
        known = living.get(now.id)
        if now.node_id not in nodes or (known and known.modify_index > now.modify_index):
            continue
        if now.live:
            living[now.id] = now
        else:
            living.pop(now.id, None)


def _drop(job: Job, living: dict[str, Allocation]) -> None:
    for each in list(living.values()):
        if (each.job, each.namespace) == (job.id, job.namespace):
            del living[each.id]
