"""The pool's events as an iterator that survives a broken stream."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import httpx
from httpx_sse import SSEError, connect_sse

from vdc.client.answers import raise_for, unreachable
from vdc.client.models import Event

# The service sends a heartbeat every 15 s: three missed ones mean that it is gone.
_SILENCE_S = 45.0
# A service that restarts is away for a second or two.
_AWAY_S = 20.0
_KNOCK_S = 0.25


@contextmanager
def opened(http: httpx.Client, address: str) -> Iterator[Iterator[Event]]:
    """An iterator over every change from now on, connected when the block is entered.

    The first event, and one after each gap that could not be closed, is ``reset``. A broken
    stream is taken up where it ended; the iterator ends only by raising.

    Raises:
        PoolError: The service refuses, or stays away for longer than a restart takes.
    """
    stream = _events(http, address)
    first = next(stream)
    try:
        yield _chain(first, stream)
    finally:
        stream.close()


def _events(http: httpx.Client, address: str) -> Generator[Event, None, None]:
    last_id = ""
    broken_since: float | None = None
    while True:
        try:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            timeout = httpx.Timeout(_SILENCE_S)
            with connect_sse(http, "GET", "/events", headers=headers, timeout=timeout) as source:
                raise_for(source.response)
                for message in source.iter_sse():
                    last_id = message.id or last_id
                    broken_since = None
                    if message.data:  # else a heartbeat
                        yield Event.model_validate_json(message.data)
        except (httpx.HTTPError, SSEError) as error:
            broken_since = broken_since or time.monotonic()
            if not last_id or time.monotonic() - broken_since > _AWAY_S:
                raise unreachable(address, error) from error
            # A port on which nobody listens tells nobody when that changes.
            time.sleep(_KNOCK_S)


def _chain(first: Event, rest: Iterator[Event]) -> Iterator[Event]:
    yield first
    yield from rest
