"""One region of one cloud: connections that threads share, and what was found there once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from vdc.provider.drivers.openstack.listing import Listing, Server
from vdc.provider.drivers.openstack.sdk import connect, told

T = TypeVar("T")

# Questions at a time; where the SDK waits before it asks again, it holds a thread. Lists are read
# in others.
_THREADS = 24


class Cloud:
    """See :func:`cloud`.

    Args:
        name: The entry of ``clouds.yaml``.
        region: The region; empty for the entry's own.
    """

    def __init__(self, name: str, region: str = "") -> None:
        self.name = name
        self._region = region
        self._threads = ThreadPoolExecutor(_THREADS, f"cloud-{name}")
        self._connecting = threading.Lock()
        self._connections: dict[bool, Any] = {}
        self._found: dict[Hashable, Any] = {}
        self._listings: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Listing]] = (
            WeakKeyDictionary()
        )

    async def ask(self, stage: str, work: Callable[[Any], T], *, repeats: bool = True) -> T:
        """Runs blocking work on a connection, in a thread.

        Args:
            stage: What is being done, for the message when it fails.
            work: Gets the connection.
            repeats: See :func:`~vdc.provider.drivers.openstack.sdk.connect`.

        Raises:
            NodeError: It failed; see :func:`~vdc.provider.drivers.openstack.sdk.told`.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._ask, stage, work, repeats)

    async def once(self, stage: str, key: Hashable, work: Callable[[Any], T]) -> T:
        """Like :meth:`ask`, for what is the same for every node: asked for the first of them."""
        if key not in self._found:
            self._found[key] = await self.ask(stage, work)
        found: T = self._found[key]
        return found

    async def place(self) -> Mapping[str, str]:
        """Where the entry leads: the ids of the ``project`` and of the ``region``.

        Raises:
            NodeError: The cloud does not let us in.
        """
        return await self.once("sign-in", "place", _place)

    def servers(self, beginning: str) -> Listing:
        """The list of servers whose names begin so; one for all groups that ask for the same."""
        own = self._listings.setdefault(asyncio.get_running_loop(), {})
        if beginning not in own:
            own[beginning] = Listing(lambda: self._servers(beginning))
        return own[beginning]

    def _servers(self, beginning: str) -> Sequence[Server]:
        def work(connection: Any) -> Sequence[Server]:
            # The SDK goes on to the next page when the cloud names one. Told a size, it
            # asks for one after the last as well: there nova shows a server a second time that it
            # has begun to build meanwhile, which the SDK takes for pages without end.
            shown = connection.compute.servers(name=f"^{beginning}")
            return [Server.of(one) for one in shown if one.name.startswith(beginning)]

        return self._ask("list of servers", work, True)

    def _ask(self, stage: str, work: Callable[[Any], T], repeats: bool) -> T:
        connection = self._connection(repeats)
        with told(self.name, stage):
            return work(connection)

    def _connection(self, repeats: bool) -> Any:
        with self._connecting:
            if repeats not in self._connections:
                self._connections[repeats] = connect(self.name, self._region, repeats=repeats)
            return self._connections[repeats]


def _place(connection: Any) -> Mapping[str, str]:
    # By the catalogue: an entry without a region leads to the first that stands there.
    endpoint = connection.compute.get_endpoint_data()
    region = (endpoint and endpoint.region_name) or connection.config.get_region_name("compute")
    return {"project": str(connection.current_project_id), "region": region or ""}


def described(place: Mapping[str, str]) -> str:
    """A place in words; see :meth:`Cloud.place`."""
    region = f" of region {place['region']}" if place["region"] else ""
    return f"project {place['project']}{region}"


def cloud(name: str, region: str) -> Cloud:
    """The region of a cloud, the same for everybody in this process."""
    return _cloud(name, region, os.environ.get("OS_CLIENT_CONFIG_FILE", ""))


@cache
def _cloud(name: str, region: str, _: str) -> Cloud:
    return Cloud(name, region)
