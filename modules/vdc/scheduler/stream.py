"""The scheduler's event stream, opened before anything is listed, so that nothing is missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from vdc.errors import SchedulerError
from vdc.scheduler.client import Nomad
from vdc.scheduler.model import Event

# The scheduler sends a heartbeat every 30 s.
_SILENCE_S = 45.0


@asynccontextmanager
async def opened(nomad: Nomad, topics: Sequence[str]) -> AsyncIterator[AsyncIterator[list[Event]]]:
    """Batches of events, subscribed to when the block is entered; a heartbeat is an empty batch.

    The server answers only once the subscription stands: whoever lists inside the block and
    then reads the batches has seen every change. The first batches may tell of changes from
    before the block.

    Raises:
        SchedulerError: The stream broke, or was silent for longer than a heartbeat.
    """
    # The index of now spares a replay of the server's buffer.
    now = await nomad.call("GET", "/v1/nodes", params={"per_page": "1"})
    query = "&".join(f"topic={topic}" for topic in topics)
    path = f"/v1/event/stream?{query}&namespace=*&index={now.headers['X-Nomad-Index']}"
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(_SILENCE_S):
                response = await stack.enter_async_context(nomad.stream(path, {}))
        except TimeoutError:
            raise SchedulerError("the scheduler does not begin its event stream") from None
        yield _batches(response.aiter_lines())


async def _batches(lines: AsyncIterator[str]) -> AsyncIterator[list[Event]]:
    while True:
        try:
            async with asyncio.timeout(_SILENCE_S):
                line = await anext(lines)
        except StopAsyncIteration:
            raise SchedulerError("the scheduler ended the event stream") from None
        except TimeoutError:
            raise SchedulerError("the scheduler's event stream fell silent") from None
        batch = json.loads(line) if line else {}
        yield [_event(raw) for raw in batch.get("Events") or []]


def _event(raw: Mapping[str, Any]) -> Event:
    payload = raw.get("Payload") or {}
    return Event(
        topic=raw["Topic"],
        type=raw["Type"],
        key=raw["Key"],
        index=int(raw["Index"]),
        payload=payload.get(raw["Topic"]) or {},
        deleted=bool(payload.get("Deleted")),
    )
