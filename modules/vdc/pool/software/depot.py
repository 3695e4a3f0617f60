"""Where nodes fetch archives: ``GET /join/v1/artifacts/{sha256}``, open to whoever knows the sum.

Thousands of nodes may ask at once. A few are served; each of the others is told a moment of its
own to come again, so that the waiting ones together knock no more often than that costs little.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from vdc.pool.refusal import RefusalError
from vdc.pool.service import Service

_AT_ONCE = 16
_KNOCKS_PER_S = 20.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Turns:
    """Who is served now, and when the others come again."""

    def __init__(
        self,
        at_once: int = _AT_ONCE,
        knocks_per_s: float = _KNOCKS_PER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = at_once
        self._gap_s = 1 / knocks_per_s
        self._clock = clock
        self._last = 0.0

    def take(self) -> int:
        """0: it is the caller's turn, to be given back. Else seconds until it may ask again."""
        if self._free:
            self._free -= 1
            return 0
        now = self._clock()
        self._last = max(now + 1, self._last + self._gap_s)
        return math.ceil(self._last - now)

    def give_back(self) -> None:
        """Ends a turn."""
        self._free += 1


def depot() -> APIRouter:
    """The route, with turns of its own."""
    router = APIRouter(prefix="/join/v1")
    turns = Turns()

    @router.get("/artifacts/{sha256}", include_in_schema=False)
    async def artifact(sha256: str, request: Request) -> Response:
        service: Service = request.app.state.service
        # An archive is found by its digest alone, so that the answer tells no name.
        file = service.shelf.archive(sha256) if _SHA256.fullmatch(sha256) else None
        if file is None or not file.is_file():
            raise RefusalError(404, "there is nothing at this address")
        if wait_s := turns.take():
            return PlainTextResponse("come again\n", 503, {"Retry-After": str(wait_s)})
        return _Turn(turns, file)

    return router


class _Turn(FileResponse):
    """The archive; the turn ends with it, or with whoever asked."""

    # Through TLS three times as fast as with the usual 64 KiB.
    chunk_size = 1 << 20

    def __init__(self, turns: Turns, file: object) -> None:
        super().__init__(str(file), media_type="application/gzip")
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._turns.give_back()
