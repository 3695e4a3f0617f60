"""Nodes on libvirt hosts: one domain each, spread over the hosts of a site."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from vdc.bootstrap import layout
from vdc.errors import NodeError
from vdc.provider.drivers import NodeFacts
from vdc.provider.drivers.libvirt import survey, transfer
from vdc.provider.drivers.libvirt.common import Payload
from vdc.provider.drivers.libvirt.explain import explain
from vdc.provider.drivers.libvirt.fleet import Fleet, Living, Sight
from vdc.provider.drivers.libvirt.hosts import AT_ONCE, Host
from vdc.provider.drivers.libvirt.maker import Maker
from vdc.provider.drivers.libvirt.marks import Mark
from vdc.provider.drivers.libvirt.model import Template, UserData
from vdc.provider.drivers.libvirt.names import Names, digest
from vdc.provider.drivers.libvirt.survey import CHANGED, Found
from vdc.provider.drivers.libvirt.transfer import Send

_T = TypeVar("_T")

_PORTS = (
    ("http", str(layout.PORTS.http)),
    ("rpc", str(layout.PORTS.rpc)),
    ("serf", str(layout.PORTS.serf)),
)

Admit = Callable[[str], Awaitable[str]]
"""Gives the join secret of a node that is about to be made."""

Revoke = Callable[[str], Awaitable[None]]
"""Takes back the admission of a node that is about to be removed."""


class LibvirtDriver:
    """See :class:`~vdc.provider.drivers.Driver`.

    Args:
        template: What the nodes are made from.
        userdata: Renders one node's first boot.
        memory: File of the group's ledger.
        admit: See :data:`Admit`.
        revoke: See :data:`Revoke`.
        living: See :data:`~vdc.provider.drivers.libvirt.fleet.Living`.
        forget_silent: Whether a node on a host that does not answer is forgotten when it is to go.
        payload: What is delivered beside the user data.
        send: Writes a volume's content.
    """

    def __init__(
        self,
        template: Template,
        userdata: UserData,
        memory: Path,
        *,
        admit: Admit,
        revoke: Revoke,
        living: Living,
        forget_silent: bool = False,
        payload: Payload | None = None,
        send: Send = transfer.send,
    ) -> None:
        self._template = template
        self.userdata = userdata
        self._fleet = Fleet(template, memory)
        self._admit = admit
        self._revoke = revoke
        self._living = living
        self._forget_silent = forget_silent
        self._payload = payload
        self._send = send
        self._names = Names(template.realm)
        self._seen: Sight | None = None
        self._looking = asyncio.Lock()
        self._makers: dict[str, Maker] = {}
        self._fixed = _fixed(template, userdata)
        self.at_once = AT_ONCE * max(1, len(template.hosts))
        size = template.size
        self.digest = digest(self._fixed, str(size.cores), str(size.memory_mib))[:16]

    async def owned(self) -> Mapping[str, NodeFacts]:
        """Reads all hosts at once.

        A node that was last on a host which does not answer is ``unreachable``: it may well run,
        so it is neither gone nor made anew.
        """
        self._seen = sight = await self._fleet.look(self._living)
        nodes = {name: self._facts(found) for name, found in sight.found.items()}
        for name, host in sight.leftovers.items():
            nodes[name] = NodeFacts(name, "partial", "", (("host", host),))
        for name, host in sight.lost.items():
            facts = (("host", host), ("reason", str(sight.silent[host])))
            nodes[name] = NodeFacts(name, "unreachable", self.digest, facts)
        return nodes

    async def create(self, name: str) -> NodeFacts:
        """Makes, starts, grows or replaces the node's machine; replacing loses what ran on it."""
        sight = await self._sight()
        found = await self._now(sight, name)
        if found is None or found.host not in self._fleet.declared:
            return await self._make(sight, name)
        maker = self._maker(found.host)
        if found.state == "running" and self._fits(found):
            if found.digest != self.digest:
                mark = replace(found.mark, digest=self.digest)
                await self._on(found.host, lambda _: maker.resize(name, mark))
        elif found.state == "stopped" and found.digest == self.digest:
            await self._on(found.host, lambda _: maker.start(name))
        else:
            return await self._make(sight, name)
        return await self._made(sight, name, found.host)

    async def delete(self, name: str) -> None:
        """Removes the machine and its volumes; what it shared with others goes with ``tidy``."""
        sight = await self._sight()
        if name in sight.lost:
            if not self._forget_silent:
                raise self._fleet.unknown(name, sight)
            await self._revoke(name)
            self._fleet.drop(name, sight)
        places = self._places(sight, name)
        if not places:
            return
        # First, so that nobody comes back under the name of a machine that is being removed.
        await self._revoke(name)
        await self._remove(sight, name, places)

    def in_place(self, node: NodeFacts) -> bool:
        """Whether a running machine only has to get more processors or other memory."""
        found = self._seen.found.get(node.name) if self._seen else None
        return found is not None and self._fits(found)

    async def explain(self, name: str) -> str:
        """How far a node got that is not ready, and the end of its console."""
        found = (await self._sight()).found.get(name)
        if found is None:
            return ""
        try:
            return await self._on(found.host, lambda host: explain(host, self._names, name))
        except NodeError as error:
            return str(error)

    async def tidy(self) -> None:
        """Takes away what no node of the stack uses any more, and forgets hosts without nodes.

        Hosts that do not answer are left for another time.
        """
        sight = self._seen = await self._fleet.look(self._living)
        for twin in sight.twins:
            maker = self._maker(twin.host)
            await self._on(twin.host, partial(_remove, maker, twin.name))
        await self._fleet.clear(sight)
        self._fleet.forget(sight)

    async def _make(self, sight: Sight, name: str) -> NodeFacts:
        if places := self._places(sight, name):
            await self._remove(sight, name, places)
        host = self._fleet.place(name, sight)
        incarnation = uuid.uuid4().hex
        files = self.userdata(name, await self._admit(name), incarnation)
        template = self._template
        mark = Mark(
            realm=template.realm,
            owner=template.owner,
            node=name,
            digest=self.digest,
            fixed=self._fixed,
            incarnation=incarnation,
            host=host,
        )
        maker = self._maker(host)
        await self._on(host, lambda _: maker.make(mark, files))
        return await self._made(sight, name, host)

    async def _made(self, sight: Sight, name: str, host: str) -> NodeFacts:
        realm = self._template.realm
        found = await self._on(host, lambda h: survey.look(h, name, realm))
        if found is None:
            raise NodeError(f"{self._fleet.host(host).label}: it was removed as soon as it ran")
        sight.found[name] = found
        return self._facts(found)

    async def _remove(self, sight: Sight, name: str, places: Collection[str]) -> None:
        for host in places:
            maker = self._maker(host)
            await self._on(host, partial(_remove, maker, name))
            self._fleet.keep(name, host)
        sight.found.pop(name, None)
        sight.leftovers.pop(name, None)

    def _places(self, sight: Sight, name: str) -> list[str]:
        """The hosts of everything of a node."""
        domains = [*sight.twins, *filter(None, [sight.found.get(name)])]
        places = [node.host for node in domains if node.name == name]
        return [*places, *filter(None, [sight.leftovers.get(name)])]

    async def _now(self, sight: Sight, name: str) -> Found | None:
        """A node as it is now, where it was seen."""
        seen = sight.found.get(name)
        if seen is None:
            return None
        realm = self._template.realm
        now = await self._on(seen.host, lambda h: survey.look(h, name, realm))
        return now if now and now.mark.owner == self._template.owner else None

    async def _sight(self) -> Sight:
        async with self._looking:
            if self._seen is None:
                self._seen = await self._fleet.look(self._living)
            return self._seen

    def _fits(self, found: Found) -> bool:
        """Whether the running machine is of this template, or can be brought to it as it runs."""
        if self._template.machine == "lxc":  # a container's limits are those it was started with
            return found.digest == self.digest
        size = self._template.size
        return (
            found.mark.fixed == self._fixed
            and found.digest != CHANGED
            and found.host in self._fleet.declared
            and found.cpus <= size.cores <= found.most_cpus  # none can be taken from it
            and size.memory_mib <= found.most_mib
        )

    def _facts(self, found: Found) -> NodeFacts:
        # A host that left the declaration holds no node of the wanted template, whatever it says.
        stays = found.host in self._fleet.declared
        declared = dict(self._template.dialled).get(found.name)
        facts = (
            ("address", declared or found.address),
            ("host", found.host),
            ("incarnation", found.mark.incarnation),
            *(_PORTS if declared else ()),
        )
        return NodeFacts(found.name, found.state, found.digest if stays else CHANGED, facts)

    def _maker(self, host: str) -> Maker:
        if host not in self._makers:
            place = self._fleet.host(host)
            self._makers[host] = Maker(self._template, place, self._payload, self._send)
        return self._makers[host]

    async def _on(self, host: str, work: Callable[[Host], _T]) -> _T:
        return await self._fleet.host(host).run(work)


def _remove(maker: Maker, name: str, _: Host) -> None:
    maker.remove(name)


def _fixed(template: Template, userdata: UserData) -> str:
    """Digest of all that a running machine cannot be brought to.

    Hosts are left out: a machine need not leave its host because there is another.
    """
    overrides = [f"{host.name} {host.network}" for host in template.hosts if host.network]
    sample = userdata("", "", "")
    return digest(
        str(template.network),
        *sorted(overrides),
        template.image.key,
        template.machine,
        template.arch,
        template.init,
        str(template.size.disk_mib),
        template.payload,
        *(text for pair in sorted(sample.items()) for text in pair),
    )[:16]
