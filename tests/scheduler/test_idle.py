"""Waiting for nodes to be idle: what the events say, and what a broken stream does not say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from vdc.scheduler.idle import until_idle
from vdc.scheduler.model import Allocation


def allocation(name: str, index: int, status: str = "running", node: str = "n") -> dict[str, Any]:
    return {
        "ID": name, "JobID": f"job-{name}", "Namespace": "default", "NodeID": node,
        "ClientStatus": status, "ModifyIndex": index,
    }  # fmt: skip


def told(topic: str, payload: dict[str, Any], **more: Any) -> str:
    """A line of the stream with one event."""
    event = {"Topic": topic, "Type": "", "Key": "", "Index": 1, "Payload": {topic: payload, **more}}
    return json.dumps({"Events": [event]})


def ended(name: str, index: int) -> str:
    return told("Allocation", allocation(name, index, "complete"))


class Scheduler:
    """Answers every listing and every stream as it was told to, in turn; then streams are silent.

    Args:
        rounds: What is listed, and the lines of the stream that then ends.
    """

    headers: ClassVar[dict[str, str]] = {"X-Nomad-Index": "1"}

    def __init__(self, *rounds: tuple[list[dict[str, Any]], list[str]]) -> None:
        self.rounds = list(rounds)
        self.listed = 0

    async def call(self, *_: Any, **__: Any) -> Scheduler:
        return self

    @asynccontextmanager
    async def stream(self, *_: Any) -> AsyncIterator[Scheduler]:
        yield self

    async def allocations(self, *, live: bool) -> list[Allocation]:
        assert live
        self.listed += 1
        return [Allocation.of(raw) for raw in self.rounds[0][0]]

    async def aiter_lines(self) -> AsyncIterator[str]:
        _, lines = self.rounds[0]
        for line in lines:
            yield line
        if len(self.rounds) == 1:
            await asyncio.Event().wait()
        del self.rounds[0]


def left(scheduler: Scheduler, within_s: float = 30, nodes: tuple[str, ...] = ("n",)) -> list[str]:
    """Ids of what still lives there."""
    return [a.id for a in asyncio.run(until_idle(scheduler, nodes, within_s))]  # type: ignore[arg-type]


def test_no_nodes_are_idle_and_nobody_is_asked():
    scheduler = Scheduler()
    assert left(scheduler, nodes=()) == []
    assert scheduler.listed == 0


def test_nodes_are_idle_when_the_last_allocation_on_them_has_ended():
    work = [allocation("a", 5), allocation("b", 6), allocation("else", 6, node="elsewhere")]
    assert left(Scheduler((work, [ended("a", 7), ended("b", 8)]))) == []


def test_what_still_lives_is_named_when_the_time_is_up():
    scheduler = Scheduler(([allocation("a", 5), allocation("b", 6)], []))
    assert sorted(left(scheduler, within_s=0.05)) == ["a", "b"]


def test_an_event_from_before_the_listing_ends_nothing():
    scheduler = Scheduler(([allocation("back", 5)], [ended("back", 4)]))
    assert left(scheduler, within_s=0.05) == ["back"]


def test_work_that_begins_while_the_list_is_made_counts():
    begun = told("Allocation", allocation("late", 7))
    scheduler = Scheduler(([allocation("a", 5)], [begun, ended("a", 8)]), ([], []))
    assert left(scheduler) == []
    assert scheduler.listed == 2, "the second listing is what says that it has ended"


def test_what_is_forgotten_with_its_job_lives_no_longer():
    job = {"ID": "job-a", "Namespace": "default"}
    assert left(Scheduler(([allocation("a", 5)], [told("Job", job, Deleted=True)]))) == []


def test_what_a_broken_stream_did_not_tell_is_listed():
    rounds = ([allocation("a", 5), allocation("b", 6)], [ended("a", 7)]), ([], [])
    assert left(Scheduler(*rounds)) == []
