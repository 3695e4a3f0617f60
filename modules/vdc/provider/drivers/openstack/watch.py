"""Servers of one group as they come and go: looked at, awaited, started, ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from vdc.errors import NodeError
from vdc.provider.drivers.openstack.cloud import Cloud
from vdc.provider.drivers.openstack.model import Template
from vdc.provider.drivers.openstack.sdk import sdk
from vdc.provider.drivers.openstack.sight import AWAKENED_BY, Mine, Sight, seen

# A cloud may fetch the image first; longer than that it takes only when something is wrong.
_MADE_S = 900.0
_GONE_S = 600.0


class Watch:
    """The group's servers, by the cloud's list of them.

    Args:
        template: The group.
        cloud: Where they are.
        beginning: What the names of all the data centre's nodes begin with; one list of servers
            serves all of its groups.

    Attributes:
        last: What was seen last; None before the first look.
    """

    def __init__(self, template: Template, cloud: Cloud, beginning: str) -> None:
        self._template = template
        self._cloud = cloud
        self._beginning = beginning
        self.last: Sight | None = None

    async def sight(self) -> Sight:
        """What was seen last, else a first look."""
        return self.last or await self.look()

    async def look(self) -> Sight:
        """The servers as of a moment after this call."""
        servers = await self._cloud.servers(self._beginning).fresh()
        self.last = sight = seen(servers, self._template)
        return sight

    async def until_made(self, name: str) -> Mine:
        """A node's server when it runs.

        Raises:
            NodeError: It did not come to that; the text has the cloud's reason.
        """
        mine = await self._until(
            name,
            lambda mine: mine is None or mine.server.status not in ("BUILD", "REBUILD"),
            _MADE_S,
            "not made",
        )
        if mine is None or mine.server.leaving:
            raise NodeError(f"cloud {self._cloud.name}: the server was removed as soon as it ran")
        if mine.state != "running":
            why = mine.server.fault or "the cloud gives no reason"
            raise NodeError(
                f"cloud {self._cloud.name}: the server is in state {mine.server.status}: {why}"
            )
        return mine

    async def awaken(self, mine: Mine) -> None:
        """Starts a server that holds everything and does nothing."""
        status = mine.server.status
        way = AWAKENED_BY[status]
        await self._cloud.ask("start", lambda c: getattr(c.compute, way)(mine.server.id))
        name = mine.mark.node
        await self._until(
            name,
            lambda now: now is None or (now.server.status != status and not now.server.task),
            _MADE_S,
            "not started",
        )

    async def end(self, mine: Mine) -> None:
        """Ends one server and returns when the cloud itself says that it is gone.

        Raises:
            NodeError: It is still there.
        """
        server = mine.server.id
        await self._cloud.ask("removal", lambda c: c.compute.delete_server(server))
        deadline = time.monotonic() + _GONE_S
        while True:
            left = [one for one in (await self.look()).every(mine.mark.node) if _is(one, server)]
            if not left and await self._cloud.ask("removal", lambda c: _gone(c, server)):
                return
            if left and left[0].server.status == "ERROR" and not left[0].server.leaving:
                why = left[0].server.fault or "the cloud gives no reason"
                raise NodeError(f"cloud {self._cloud.name}: it could not be removed: {why}")
            if time.monotonic() > deadline:
                raise NodeError(
                    f"cloud {self._cloud.name}: the server {server} is still there after "
                    f"{_GONE_S:.0f} s"
                )

    async def _until(
        self, name: str, done: Callable[[Mine | None], bool], within_s: float, what: str
    ) -> Mine | None:
        """Looks until a node is as wanted."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    mine = (await self.look()).found.get(name)
                    if done(mine):
                        return mine
        except TimeoutError:
            mine = self.last.found.get(name) if self.last else None
            status = mine.server.status if mine else "gone"
            raise NodeError(
                f"cloud {self._cloud.name}: {what} within {within_s:.0f} s: it is {status}"
            ) from None


def _is(mine: Mine, server: str) -> bool:
    return mine.server.id == server


def _gone(connection: Any, server: str) -> bool:
    """Whether the cloud says so itself; one that only hides what was removed is told again."""
    try:
        status = connection.compute.get_server(server).status
    except sdk().exceptions.NotFoundException:
        return True
    if status == "SOFT_DELETED":
        connection.compute.delete_server(server, force=True)
    return bool(status == "DELETED")
