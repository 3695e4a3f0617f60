"""Nodes in an OpenStack cloud: one server each."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from vdc.bootstrap import layout
from vdc.errors import ForeignNodeError, NodeError
from vdc.provider.door import Door
from vdc.provider.drivers import NodeFacts
from vdc.provider.drivers.openstack import explain
from vdc.provider.drivers.openstack.addresses import Addresses
from vdc.provider.drivers.openstack.cloud import Cloud
from vdc.provider.drivers.openstack.maker import Maker
from vdc.provider.drivers.openstack.marks import Mark, digest
from vdc.provider.drivers.openstack.model import Template, UserData
from vdc.provider.drivers.openstack.sdk import sdk
from vdc.provider.drivers.openstack.sight import AWAKENED_BY, Mine, Sight, seen
from vdc.provider.drivers.openstack.trail import Trail

# A cloud may fetch the image first; longer than that it takes only when something is wrong.
_MADE_S = 900.0
_GONE_S = 600.0

_PORTS = (
    ("http", str(layout.PORTS.http)),
    ("rpc", str(layout.PORTS.rpc)),
    ("serf", str(layout.PORTS.serf)),
)


class OpenstackDriver:
    """See :class:`~vdc.provider.drivers.Driver`.

    Args:
        template: What the nodes are made from.
        userdata: Renders one node's first boot.
        cloud: Where they are.
        door: The pool's.
        trail: Where it is kept which clouds were touched.
        beginning: What the names of all the data centre's nodes begin with; one list of servers
            serves all of its groups.
    """

    def __init__(
        self,
        template: Template,
        userdata: UserData,
        cloud: Cloud,
        door: Door,
        trail: Trail,
        beginning: str,
    ) -> None:
        self._template = template
        self._userdata = userdata
        self._cloud = cloud
        self._door = door
        self._trail = trail
        self._beginning = beginning
        self._addresses = Addresses(template)
        self._maker = Maker(template, cloud, self._addresses)
        self._last: Sight | None = None
        self._fixed = _fixed(template, userdata)
        expires = dict(template.tags).get("vdc-expires", "")
        self.digest = digest(self._fixed, str(template.floating_ip), expires)[:16]

    async def owned(self) -> Mapping[str, NodeFacts]:
        """One list of the cloud's servers."""
        sight = await self._look()
        return {name: self._facts(mine) for name, mine in sight.found.items()}

    def in_place(self, node: NodeFacts) -> bool:
        """Whether only tags or a floating address differ; a server's own parts never change."""
        mine = self._last.found.get(node.name) if self._last else None
        return mine is not None and mine.mark.fixed == self._fixed

    async def create(self, name: str) -> NodeFacts:
        """Makes, awaits, starts, corrects or replaces the node's server."""
        sight = self._last or await self._look()
        if name in sight.foreign:
            foreign = sight.foreign[name]
            raise ForeignNodeError(
                f"cloud {self._cloud.name}: there is a server of this name that is not ours "
                f"({foreign.id}); rename or remove it, or find out with `vdc reap` whether an "
                "earlier state made it"
            )
        mine = sight.found.get(name)
        if mine and (mine.server.leaving or mine.server.status == "ERROR"):
            await self._remove(name)
            mine = None
        if mine and mine.mark.fixed != self._fixed:
            await self._remove(name)
            mine = None
        if mine is None:
            await self._trail.enter()
            mark = self._mark(name)
            text = self._userdata(name, await self._door.admit(name))
            await self._maker.make(mark, text, self._look)
        elif mine.state == "stopped":
            await self._awaken(mine)
        return await self._settled(name)

    async def delete(self, name: str) -> None:
        """Removes the server and what it has in the network, once nobody can come back as it.

        The port of a declared address stays while the node is wanted: in the moment between the
        server and its successor somebody else could take the address.
        """
        await self._door.revoke(name)
        await self._remove(name)
        if name not in self._template.names:
            await self._release(name)

    async def clear(self) -> list[str]:
        """Removes every server of the group, and what :meth:`delete` has kept for successors.

        Without a drain and without the pool. Returns the names of the nodes that were there.
        """
        names = {*(await self._look()).found}
        for name in sorted(names):
            await self._remove(name)
        kept = await self._cloud.ask("ports", self._addresses.nodes)
        for name in sorted(names | kept):
            await self._release(name)
        return sorted(names)

    async def _release(self, name: str) -> None:
        await self._cloud.ask("port", lambda c: self._addresses.release_ports(c, name))

    async def explain(self, name: str) -> str:
        """How far a node got that is not ready, and the end of its console."""
        sight = self._last
        mine = sight.found.get(name) if sight else None
        if mine is None:
            return ""
        try:
            return await self._cloud.ask("console", lambda c: explain.told(c, mine.server))
        except NodeError as error:
            return str(error)

    async def tidy(self) -> None:
        """Removes what requests whose answers were lost have made beside the nodes."""
        sight = self._last or await self._look()
        for twin in sight.twins:
            await self._end(twin)

    async def _look(self) -> Sight:
        servers = await self._cloud.servers(self._beginning).fresh()
        self._last = sight = seen(servers, self._template)
        return sight

    def _mark(self, name: str) -> Mark:
        template = self._template
        return Mark(
            realm=template.realm,
            node=name,
            digest=self.digest,
            fixed=self._fixed,
            incarnation=uuid.uuid4().hex,
            tags=template.tags,
        )

    async def _settled(self, name: str) -> NodeFacts:
        """Waits until the server runs and brings to it what can change while it does."""
        mine = await self._until_made(name)
        for twin in self._last.twins if self._last else ():
            if twin.mark.node == name:
                await self._end(twin)
        cloud, addresses = self._cloud, self._addresses
        if self._template.floating_ip:
            network = await self._maker.network()
            await cloud.ask(
                "floating address",
                lambda c: addresses.floating(c, network, name, mine.server.id),
                repeats=False,
            )
        elif mine.mark.digest != self.digest:
            await cloud.ask("floating address", lambda c: addresses.release_floating(c, name))
        if mine.mark.digest != self.digest:
            mark = replace(mine.mark, digest=self.digest, tags=self._template.tags)
            old, mine = mine, replace(mine, mark=mark)
            await cloud.ask("metadata", lambda c: _remark(c, old, mark))
            if self._last:
                self._last.found[name] = mine
        return self._facts(mine)

    async def _until_made(self, name: str) -> Mine:
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

    async def _awaken(self, mine: Mine) -> None:
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

    async def _remove(self, name: str) -> None:
        """Removes all servers of a node and its floating address; already gone is success."""
        cloud, addresses = self._cloud, self._addresses
        sight = self._last or await self._look()
        await cloud.ask("floating address", lambda c: addresses.release_floating(c, name))
        for mine in sight.every(name):
            await self._end(mine)

    async def _end(self, mine: Mine) -> None:
        """Ends one server and returns when the cloud no longer has it."""
        server = mine.server.id
        await self._cloud.ask("removal", lambda c: c.compute.delete_server(server))
        deadline = time.monotonic() + _GONE_S
        while True:
            left = [one for one in (await self._look()).every(mine.mark.node) if _is(one, server)]
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
                    mine = (await self._look()).found.get(name)
                    if done(mine):
                        return mine
        except TimeoutError:
            mine = self._last.found.get(name) if self._last else None
            status = mine.server.status if mine else "gone"
            raise NodeError(
                f"cloud {self._cloud.name}: {what} within {within_s:.0f} s: it is {status}"
            ) from None

    def _facts(self, mine: Mine) -> NodeFacts:
        declared = self._template.address(mine.mark.node)
        reason = f"the cloud says {mine.server.status}"
        facts = (
            ("address", declared or mine.server.address),
            ("incarnation", mine.mark.incarnation),
            ("server", mine.server.id),
            *((("reason", reason),) if mine.state == "unreachable" else ()),
            *(_PORTS if declared else ()),
        )
        return NodeFacts(mine.mark.node, mine.state, mine.mark.digest, facts)


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


def _remark(connection: Any, old: Mine, mark: Mark) -> None:
    gone = old.mark.metadata.keys() - mark.metadata.keys()
    if gone:
        connection.compute.delete_server_metadata(old.server.id, sorted(gone))
    connection.compute.set_server_metadata(old.server.id, **mark.metadata)


def _fixed(template: Template, userdata: UserData) -> str:
    """Digest of all that a running server cannot be brought to.

    Zones are left out: a server need not move because there is another. So is the id of the
    server group: what counts is what it is for.
    """
    return digest(
        template.image,
        template.flavor,
        str(template.size),
        template.network,
        *template.security_groups,
        template.key_pair,
        template.boot,
        template.spread,
        str(template.dialled),
        userdata("", ""),
    )[:16]
