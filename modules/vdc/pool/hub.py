"""Changes of the pool, handed to every listener; bounded whatever the listeners do."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vdc.client.models import Event

_REMEMBERED = 4096
_QUEUE = 512


@dataclass(frozen=True)
class Numbered:
    """An event with its place in the stream; ``id`` is what a client resumes from."""

    id: str
    event: Event


class Listener:
    """One client's queue. When it is full the client is too slow, and is cut off."""

    def __init__(self, size: int) -> None:
        self._queue: asyncio.Queue[Numbered | None] = asyncio.Queue(size + 1)
        self._size = size
        self.closed = False

    def offer(self, numbered: Numbered) -> None:
        """Adds an event, or closes the listener when it has not kept up."""
        if self._queue.qsize() >= self._size:
            self.close()
        elif not self.closed:
            self._queue.put_nowait(numbered)

    def close(self) -> None:
        """Ends the listener after what is queued."""
        if not self.closed:
            self.closed = True
            self._queue.put_nowait(None)

    async def next(self) -> Numbered | None:
        """The next event; None when the listener has been closed."""
        return await self._queue.get()


class Hub:
    """Numbers events, remembers the last few thousand, and hands them out.

    Ids begin with a word drawn at start, so that one of an earlier life of the service is
    never taken for one of this life.
    """

    def __init__(self, remembered: int = _REMEMBERED, queue: int = _QUEUE) -> None:
        self._life = secrets.token_hex(4)
        self._count = 0
        self._recent: deque[Numbered] = deque(maxlen=remembered)
        self._listeners: set[Listener] = set()
        self._queue = queue
        self._closed = False

    def publish(self, event: Event) -> None:
        """Hands an event to every listener; never waits."""
        self._count += 1
        numbered = Numbered(self._id(), event)
        self._recent.append(numbered)
        for listener in self._listeners:
            listener.offer(numbered)

    @contextmanager
    def listen(self, last_id: str = "") -> Iterator[tuple[list[Numbered], Listener]]:
        """What was missed since ``last_id``, and a queue of what follows.

        When the gap cannot be closed, what was missed is one ``reset``.
        """
        listener = Listener(self._queue)
        if self._closed:
            listener.close()
        self._listeners.add(listener)
        try:
            yield self._since(last_id), listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Ends every listener, now and later."""
        self._closed = True
        for listener in self._listeners:
            listener.close()

    def _since(self, last_id: str) -> list[Numbered]:
        life, _, number = last_id.rpartition("-")
        if life == self._life and number.isdecimal():
            missed = self._count - int(number)
            if 0 <= missed <= len(self._recent):
                return list(self._recent)[len(self._recent) - missed :]
        return [Numbered(self._id(), Event(kind="reset"))]

    def _id(self) -> str:
        return f"{self._life}-{self._count}"
