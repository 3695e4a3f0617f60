"""Nodes in an OpenStack cloud: one server each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
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
from vdc.provider.drivers.openstack.sight import Mine
from vdc.provider.drivers.openstack.trail import Trail
from vdc.provider.drivers.openstack.watch import Watch

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

    # Most of the time a server is only waited for, in the one list of all. A cloud that builds
    # each for half a minute makes eight a second of them, and is asked no more than it bears.
    at_once = 256

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
        self._addresses = Addresses(template)
        self._maker = Maker(template, cloud, self._addresses)
        self._watch = Watch(template, cloud, beginning)
        self._fixed = _fixed(template, userdata)
        expires = dict(template.tags).get("vdc-expires", "")
        self.digest = digest(self._fixed, str(template.floating_ip), expires)[:16]

    async def owned(self) -> Mapping[str, NodeFacts]:
        """One list of the cloud's servers."""
        sight = await self._watch.look()
        return {name: self._facts(mine) for name, mine in sight.found.items()}

    def in_place(self, node: NodeFacts) -> bool:
        """Whether only tags or a floating address differ; a server's own parts never change."""
        mine = self._watch.last.found.get(node.name) if self._watch.last else None
        return mine is not None and mine.mark.fixed == self._fixed

    async def create(self, name: str) -> NodeFacts:
        """Makes, awaits, starts, corrects or replaces the node's server."""
        sight = await self._watch.sight()
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
            await self._maker.make(mark, text, self._watch.look)
        elif mine.state == "stopped":
            await self._watch.awaken(mine)
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
        names = {*(await self._watch.look()).found}
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
        sight = self._watch.last
        mine = sight.found.get(name) if sight else None
        if mine is None:
            return ""
        try:
            return await self._cloud.ask("console", lambda c: explain.told(c, mine.server))
        except NodeError as error:
            return str(error)

    async def tidy(self) -> None:
        """Removes what requests whose answers were lost have made beside the nodes."""
        sight = await self._watch.look()
        for twin in sight.twins:
            await self._watch.end(twin)

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
        mine = await self._watch.until_made(name)
        for twin in self._watch.last.twins if self._watch.last else ():
            if twin.mark.node == name:
                await self._watch.end(twin)
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
            if self._watch.last:
                self._watch.last.found[name] = mine
        return self._facts(mine)

    async def _remove(self, name: str) -> None:
        """Removes all servers of a node and its floating address; already gone is success."""
        cloud, addresses = self._cloud, self._addresses
        sight = await self._watch.sight()
        await cloud.ask("floating address", lambda c: addresses.release_floating(c, name))
        for mine in sight.every(name):
            await self._watch.end(mine)

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
