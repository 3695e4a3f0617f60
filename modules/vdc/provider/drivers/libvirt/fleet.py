"""The hosts of a group together: what is on them, where new nodes go, who does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vdc.errors import NodeError
from vdc.provider.drivers.libvirt import hosts, ledger
from vdc.provider.drivers.libvirt.clearing import clear
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.ledger import KnownHost
from vdc.provider.drivers.libvirt.model import Template
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.placement import Room, place
from vdc.provider.drivers.libvirt.survey import Found, Survey, survey

T = TypeVar("T")

Living = Callable[[], Awaitable[Collection[str]]]
"""Names of the nodes that the pool knows to be alive."""


@dataclass(frozen=True)
class Sight:
    """All hosts at one moment.

    Attributes:
        surveys: Of the hosts that answered, by name.
        silent: Why the others did not, by name.
        found: The group's nodes.
        twins: More domains of the same names: half-made ones of runs that knew too little.
        leftovers: Host of each of the group's nodes of which there are only volumes.
        lost: Host of each node that was last on a declared host which does not answer now, or may
            be on one, since the pool knows the node.
    """

    surveys: Mapping[str, Survey]
    silent: Mapping[str, NodeError]
    found: dict[str, Found] = field(default_factory=dict)
    twins: tuple[Found, ...] = ()
    leftovers: dict[str, str] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


class Fleet:
    """A group's hosts: the declared ones, and those that it was on before.

    A host that was taken out of the declaration is still read as long as nodes may be on it; when
    it does not answer either it is given up: taking it out is how a user says that it is gone.

    Args:
        template: The group.
        memory: File of the group's ledger.
    """

    def __init__(self, template: Template, memory: Path) -> None:
        self._template = template
        self._memory = memory
        self._ledger = ledger.load(memory, template.realm, template.owner)
        self._declared = {spec.name: spec for spec in template.hosts}
        self._placed: dict[str, str | NodeError] = {}

    @property
    def declared(self) -> Collection[str]:
        """Names of the declared hosts."""
        return self._declared.keys()

    def host(self, name: str) -> Host:
        """A host by its name."""
        spec = self._declared.get(name) or self._ledger.hosts[name].spec(name)
        return hosts.host(spec)

    async def look(self, living: Living) -> Sight:
        """Reads all hosts at once; one that does not answer holds up no other.

        Args:
            living: See :data:`Living`; asked only while a declared host does not answer.
        """
        names = Names(self._template.realm)
        everywhere = {*self._declared, *self._ledger.hosts}
        answers = await self.each(
            everywhere,
            lambda host: survey(host, names, self._template.prefix),
        )
        surveys = {name: seen for name, seen in answers.items() if isinstance(seen, Survey)}
        silent = {name: why for name, why in answers.items() if isinstance(why, NodeError)}
        sight = self._sorted(Sight(surveys, silent))
        if mute := [name for name in silent if name in self._declared]:
            # Who has no memory of them, having made them elsewhere, must not make them again.
            for name in await living():
                if self._is_named_like_ours(name) and name not in sight.found:
                    sight.lost.setdefault(name, mute[0])
        return sight

    def _sorted(self, sight: Sight) -> Sight:
        """Tells the group's nodes from others, and each node's domain from its twins."""
        template, remembered = self._template, self._ledger.nodes
        ours = [
            node
            for seen in sight.surveys.values()
            for node in seen.found
            if node.mark.owner == template.owner
        ]
        # The domain that is where we put it, else one that runs: the others are half-made.
        ours.sort(key=lambda n: (remembered.get(n.name) != n.host, n.state != "running", n.host))
        found: dict[str, Found] = {}
        twins = tuple(node for node in ours if found.setdefault(node.name, node) is not node)
        leftovers = {
            name: seen.host
            for seen in sight.surveys.values()
            for name in seen.leftovers
            if name not in found and self._is_named_like_ours(name)
        }
        lost = {
            name: host
            for name, host in remembered.items()
            if host in sight.silent and host in self._declared and name not in found
        }
        return Sight(sight.surveys, sight.silent, found, twins, leftovers, lost)

    def _is_named_like_ours(self, name: str) -> bool:
        index = name.removeprefix(f"{self._template.prefix}-")
        return name in self._template.names or (index != name and index.isdecimal())

    def place(self, name: str, sight: Sight) -> str:
        """The host for a node that is nowhere; the first question settles it for all of them.

        Raises:
            NodeError: It fits nowhere, or may be on a host that does not answer.
        """
        if name in sight.lost:
            raise self.unknown(name, sight)
        if name not in self._placed:
            self._place(sight)
        chosen = self._placed[name]
        if isinstance(chosen, NodeError):
            raise chosen
        return chosen

    def unknown(self, name: str, sight: Sight) -> NodeError:
        """Why nothing can be done for a node whose host does not answer."""
        return NodeError(
            f"{sight.silent[sight.lost[name]]}; the node is left as it is until the host answers; "
            "take the host out of the declaration, or say --force, when it is gone for good"
        )

    def drop(self, name: str, sight: Sight) -> None:
        """Forgets a node on a host that does not answer, as its user has said."""
        sight.lost.pop(name, None)
        kept = {node: host for node, host in self._ledger.nodes.items() if node != name}
        self._save(self._ledger.hosts, kept)

    def _place(self, sight: Sight) -> None:
        template = self._template
        elsewhere = {*sight.found, *sight.lost, *self._placed}
        new = [name for name in template.names if name not in elsewhere]
        rooms = [
            Room(
                seen.host,
                seen.cpus,
                seen.memory_mib,
                seen.used_cpus,
                seen.used_mib,
                sum(node.mark.owner == template.owner for node in seen.found),
            )
            for seen in sight.surveys.values()
            if seen.host in self._declared
        ]
        size = template.size
        self._placed |= place(new, rooms, size.cores, size.memory_mib, apart=template.apart)
        # Before any of them is made: from here on a host that falls silent may have them.
        self._remember({n: host for n in new if isinstance(host := self._placed[n], str)})

    def keep(self, name: str, host: str) -> None:
        """Says where a node is to be made again."""
        if host in self._declared:
            self._placed[name] = host

    def _remember(self, nodes: Mapping[str, str]) -> None:
        self._save(self._hosts(), {**self._ledger.nodes, **nodes})

    async def clear(self, sight: Sight) -> None:
        """Takes away what no node of the realm uses any more, on every host that answers.

        Raises:
            NodeError: Some of it could not be removed; a line for each host.
        """
        names = Names(self._template.realm)
        answers = await self.each(sight.surveys, lambda host: clear(host, names))
        if problems := [str(why) for why in answers.values() if isinstance(why, NodeError)]:
            raise NodeError("\n".join(problems))

    def forget(self, sight: Sight) -> None:
        """Corrects the memory by what was seen: nodes that are gone, hosts with nothing of ours."""
        nodes = {name: node.host for name, node in sight.found.items()}
        nodes |= {**sight.leftovers, **sight.lost}
        kept = {*nodes.values(), *sight.silent, *(node.host for node in sight.twins)}
        known = {name: host for name, host in self._hosts().items() if name in kept}
        self._save(known, nodes)

    def _hosts(self) -> dict[str, KnownHost]:
        """How every host is reached: the declared ones as declared, others as remembered."""
        declared = {
            name: KnownHost(uri=spec.uri, identity=spec.identity, pool=spec.pool)
            for name, spec in self._declared.items()
        }
        return {**self._ledger.hosts, **declared}

    def _save(self, known: Mapping[str, KnownHost], nodes: Mapping[str, str]) -> None:
        changed = self._ledger.model_copy(update={"hosts": dict(known), "nodes": dict(nodes)})
        if changed != self._ledger:
            ledger.save(self._memory, changed)
            self._ledger = changed

    async def each(
        self, names: Iterable[str], work: Callable[[Host], T]
    ) -> Mapping[str, T | NodeError]:
        """Runs blocking work on several hosts at once; a failure is the answer of its host."""

        async def one(name: str) -> T | NodeError:
            try:
                return await self.host(name).run(work)
            except NodeError as error:
                return error

        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(one(name)) for name in sorted(names)}
        return {name: task.result() for name, task in tasks.items()}
