"""Waiting for a change of one job, and telling listeners what became of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vdc.client.models import Event
from vdc.pool.hub import Hub
from vdc.pool.readmodel import state_of
from vdc.scheduler.model import SchedulerNode

Describe = Callable[[str], Event | None]


class Watch:
    """Told by the follower that something changed; wakes whoever waits for it.

    A job's change becomes an event of the app or the run that it is, once per state.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._told: dict[tuple[str, str], Event] = {}
        self.describe: Describe = lambda _: None

    # --- waiting -----------------------------------------------------------------

    @contextmanager
    def on(self, job_id: str) -> Iterator[asyncio.Event]:
        """Set whenever the job changes; the waiter clears it before it looks."""
        changed = asyncio.Event()
        self._waiting[job_id].add(changed)
        try:
            yield changed
        finally:
            self._waiting[job_id].discard(changed)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def until(self, job_id: str, holds: Callable[[], bool], within_s: float) -> bool:
        """Waits until something holds of a job's picture; False when it took too long."""
        try:
            async with asyncio.timeout(within_s):
                with self.on(job_id) as changed:
                    while not holds():
                        changed.clear()
                        await changed.wait()
        except TimeoutError:
            return holds()
        return True

    # --- told --------------------------------------------------------------------

    def job_changed(self, job_id: str) -> None:
        """A job, its deployment or one of its allocations is not what it was."""
        for changed in self._waiting.get(job_id, ()):
            changed.set()
        if event := self.describe(job_id):
            self.tell(event)

    def node_changed(self, node: SchedulerNode, *, gone: bool) -> None:
        """A node is not what it was."""
        self.tell(Event(kind="node", name=node.name, state="gone" if gone else state_of(node)))

    def pool_changed(self, *, stale: bool) -> None:
        """The scheduler went out of touch, or came back."""
        self.tell(Event(kind="pool", state="stale" if stale else "fresh"))

    def everything_changed(self) -> None:
        """The picture was listed anew: whoever waits looks, whoever listens reads anew."""
        for waiting in list(self._waiting.values()):
            for changed in waiting:
                changed.set()
        self._told.clear()
        self._hub.publish(Event(kind="reset"))

    def tell(self, event: Event) -> None:
        """Publishes an event, unless it says nothing that the last one of its name did not."""
        key = (event.kind, event.name)
        if self._told.get(key) != event:
            self._told[key] = event
            self._hub.publish(event)

    def forget(self, kind: str, name: str) -> None:
        """Frees what is remembered about something that is gone."""
        self._told.pop((kind, name), None)
