"""Output of tasks as a stream that ends when the task has ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from vdc.errors import SchedulerError
from vdc.pool.auth import Gate
from vdc.pool.refusal import RefusalError
from vdc.pool.software.task import brings_software
from vdc.pool.watch import Watch
from vdc.scheduler.outcome import Placement
from vdc.scheduler.work import Work

_TAIL_BYTES = 1 << 20
_QUEUED_CHUNKS = 64
# How often a reader's token is looked at, on top of the age of what the gate remembers.
_CHECK_S = 1.0


@dataclass(frozen=True)
class Wanted:
    """Which output: of the newest placement that has the task, or of any that has started."""

    job: str
    task: str
    stream: str
    follow: bool
    tail: int | None
    token: str = field(repr=False)

    def shows(self, task: str) -> bool:
        """Whether a task's output will do; what brings software is only shown when named."""
        return task == self.task if self.task else not brings_software(task)


class Logs:
    """Reads output as the caller; the scheduler judges whether that is permitted."""

    def __init__(self, work: Work, watch: Watch, gate: Gate) -> None:
        self._work = work
        self._watch = watch
        self._gate = gate

    async def open(self, wanted: Wanted) -> AsyncIterator[bytes]:
        """The output, found before anything is answered, so that a refusal is one.

        With ``follow`` it waits for a start, and ends with the placement.

        Raises:
            RefusalError: There is no such task, or it has not started.
            SchedulerError: The scheduler refuses.
        """
        placement, task = await self._find(wanted)
        # The first question is asked here: its refusal becomes the answer's status.
        head = self._whole(placement, task, wanted)
        first = await anext(head, None)
        return self._stream(placement, task, wanted, first, head)

    async def _find(self, wanted: Wanted) -> tuple[Placement, str]:
        with self._watch.on(wanted.job) as changed:
            while True:
                changed.clear()
                placements = await self._work.placements(wanted.job)
                for placement in placements:
                    for task in placement.tasks:
                        if task.started and wanted.shows(task.name):
                            return placement, task.name
                names = {task.name for placement in placements for task in placement.tasks}
                if wanted.task and names and wanted.task not in names:
                    raise RefusalError(
                        404, f"{wanted.job} has no task {wanted.task}",
                        f"it has: {', '.join(sorted(names))}",
                    )  # fmt: skip
                if not wanted.follow:
                    raise RefusalError(404, f"nothing of {wanted.job} has started yet")
                if placements and all(placement.ended for placement in placements):
                    raise RefusalError(
                        404, f"{wanted.job} ended before it started: {placements[0].cause}"
                    )
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CHECK_S):
                        await changed.wait()
                await self._gate.caller(wanted.token)

    def _whole(self, placement: Placement, task: str, wanted: Wanted) -> AsyncIterator[bytes]:
        return self._work.log_stream(placement.id, task, wanted.stream)

    async def _stream(
        self,
        placement: Placement,
        task: str,
        wanted: Wanted,
        first: bytes | None,
        head: AsyncIterator[bytes],
    ) -> AsyncIterator[bytes]:
        offset = 0
        last = _Tail(wanted.tail) if wanted.tail is not None else None
        while first is not None:
            offset += len(first)
            if last is None:
                yield first
            else:
                last.add(first)
            first = await anext(head, None)
        if last is not None:
            yield last.lines()
        if not wanted.follow:
            return
        async for chunk in self._live(placement.id, task, wanted, offset):
            offset += len(chunk)
            yield chunk
        # What was written between the last frame and the end. Who may read no more, or whose
        # scheduler is gone, has had what there is.
        with suppress(SchedulerError):
            async for chunk in self._work.log_stream(
                placement.id, task, wanted.stream, offset=offset
            ):
                yield chunk

    async def _live(
        self, placement_id: str, task: str, wanted: Wanted, offset: int
    ) -> AsyncIterator[bytes]:
        """Follows until the placement has ended: the scheduler's own stream never does."""
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED_CHUNKS)

        async def pump() -> None:
            with suppress(SchedulerError):
                async for chunk in self._work.log_stream(
                    placement_id, task, wanted.stream, offset=offset, follow=True
                ):
                    await chunks.put(chunk)
            await chunks.put(None)

        async def until_ended() -> None:
            with self._watch.on(wanted.job) as changed:
                while True:
                    changed.clear()
                    if await self._ended(wanted.job, placement_id):
                        return
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_CHECK_S):
                            await changed.wait()
                    await self._gate.caller(wanted.token)

        pumping = asyncio.create_task(pump())
        ending = asyncio.create_task(until_ended())
        try:
            while not ending.done():
                following = asyncio.create_task(chunks.get())
                await asyncio.wait([following, ending], return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    break
                chunk = following.result()
                if chunk is None:
                    break
                yield chunk
            while not chunks.empty():
                rest = chunks.get_nowait()
                if rest is not None:
                    yield rest
        finally:
            pumping.cancel()
            ending.cancel()
            await asyncio.gather(pumping, ending, return_exceptions=True)

    async def _ended(self, job: str, placement_id: str) -> bool:
        for placement in await self._work.placements(job):
            if placement.id == placement_id:
                return placement.ended
        return True


class _Tail:
    """The last lines of a stream, in bounded memory."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) > _TAIL_BYTES:
            self._size -= len(self._chunks.popleft())

    def lines(self) -> bytes:
        lines = b"".join(self._chunks).splitlines(keepends=True)
        return b"".join(lines[-self._count :] if self._count else [])
