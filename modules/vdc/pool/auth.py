"""Who calls, and what the scheduler lets them see.

The scheduler is the judge: a token is good when it says so, and a caller may read the picture
of nodes or of work when the scheduler would let the token list them. Everything that changes
something goes to the scheduler with the caller's own token and is judged there again.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vdc.errors import SchedulerError
from vdc.pool.refusal import RefusalError, answer, from_scheduler
from vdc.scheduler.absence import is_away
from vdc.scheduler.client import Nomad

OPEN = frozenset({"/", "/healthz"})
"""Paths that are answered without a token. They say nothing about the data centre."""

JOINING = "/join/v1/"
"""Below it are the paths for nodes, which have no token. Each of them asks for proof of its own,
or serves what anybody may have."""

# A revoked token is refused within five seconds: what was asked before this is asked again.
FRESH_S = 4.0
# While the scheduler is away nobody can revoke a token, so one that was good stays good.
_OUTAGE_S = 12 * 3600.0
_REMEMBERED = 1024
_ASK_S = 5.0
_LONGEST = 256

_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]


@dataclass(frozen=True)
class Caller:
    """A holder of a good token.

    Attributes:
        token: Secret id; handed on to the scheduler and shown nowhere.
        sees_nodes: Whether the scheduler lets it list nodes.
        sees_work: Whether the scheduler lets it list jobs.
        checked: When the scheduler was asked (monotonic clock).
    """

    token: str = field(repr=False)
    sees_nodes: bool
    sees_work: bool
    checked: float


class Gate:
    """Asks the scheduler about tokens, and remembers good answers for :data:`FRESH_S`."""

    def __init__(self, nomad: Nomad, out_of_touch: Callable[[], bool]) -> None:
        self._nomad = nomad
        self._out_of_touch = out_of_touch
        self._known: OrderedDict[str, Caller] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Caller]] = {}

    async def caller(self, token: str) -> Caller:
        """The holder of a token.

        Raises:
            RefusalError: 401 when the token is no good; 503 when that cannot be known now.
        """
        # Only a digest is kept as a key, so that nothing iterates over secrets by accident.
        key = hashlib.sha256(token.encode()).hexdigest()
        now = time.monotonic()
        known = self._known.get(key)
        if known is not None and now - known.checked < FRESH_S:
            return known
        if known is not None and self._out_of_touch() and now - known.checked < _OUTAGE_S:
            return known
        try:
            caller = await self._shared(key, token)
        except SchedulerError as error:
            # What cannot be a token at all gets a 500 from the scheduler, and is refused likewise.
            if not is_away(error):
                self._known.pop(key, None)
                raise RefusalError(
                    401, "the token is not valid", "`vdc token` shows yours"
                ) from error
            if known is not None and now - known.checked < _OUTAGE_S:
                return known
            raise from_scheduler(error) from error
        self._known[key] = caller
        self._known.move_to_end(key)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return caller

    async def _shared(self, key: str, token: str) -> Caller:
        """One question at a time about one token, however many requests carry it."""
        task = self._asking.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(token))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, token: str) -> Caller:
        checked = time.monotonic()
        await self._nomad.call("GET", "/v1/acl/token/self", token=token, timeout=_ASK_S)
        nodes, work = await asyncio.gather(
            self._may(token, "/v1/nodes"), self._may(token, "/v1/jobs")
        )
        return Caller(token, nodes, work, checked)

    async def _may(self, token: str, path: str) -> bool:
        try:
            await self._nomad.call(
                "GET", path, params={"per_page": "1"}, token=token, timeout=_ASK_S
            )
        except SchedulerError as error:
            if error.status == 403:
                return False
            raise
        return True


class Guard:
    """Middleware: only what :func:`is_open` is reached without a good token, known path or not."""

    def __init__(self, app: ASGIApp, gate: Callable[[], Gate]) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through with its caller in the state, or answers it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        if not is_open(scope["path"]):
            try:
                caller = await self._gate().caller(bearer(Headers(scope=scope)))
            except RefusalError as refusal:
                response = answer(refusal.status, str(refusal), refusal.remedy)
                await response(scope, receive, hardened)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, hardened)


def is_open(path: str) -> bool:
    """Whether a path is answered without a token."""
    return path in OPEN or path.startswith(JOINING)


def bearer(headers: Headers) -> str:
    """The token of a request.

    Raises:
        RefusalError: There is none, or it cannot be one.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise RefusalError(401, "a token is needed", "send it as `Authorization: Bearer TOKEN`")
    if len(token) > _LONGEST or not token.isascii() or not token.isprintable():
        raise RefusalError(401, "the token is not valid", "`vdc token` shows yours")
    return token
