"""A group's servers told from all others, and what their states mean here. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vdc.provider.drivers import State
from vdc.provider.drivers.openstack.listing import Server
from vdc.provider.drivers.openstack.marks import Mark, same_group
from vdc.provider.drivers.openstack.model import Template

# ACTIVE in all but name: it runs, and goes on.
_RUNNING = {
    *("ACTIVE", "PASSWORD", "REBOOT", "HARD_REBOOT", "MIGRATING", "RESIZE", "VERIFY_RESIZE"),
    *("REVERT_RESIZE", "RESCUE"),
}
AWAKENED_BY = {
    "SHUTOFF": "start_server",
    "PAUSED": "unpause_server",
    "SUSPENDED": "resume_server",
    "SHELVED": "unshelve_server",
    "SHELVED_OFFLOADED": "unshelve_server",
}
"""States in which a server holds everything and does nothing, and the SDK's way out of each."""


@dataclass(frozen=True)
class Mine:
    """A server with the group's mark."""

    server: Server
    mark: Mark

    @property
    def state(self) -> State:
        """In the words of :class:`~vdc.provider.drivers.NodeFacts`."""
        status = self.server.status
        if self.server.leaving:
            return "partial"
        if status in _RUNNING:
            return "running"
        if status in AWAKENED_BY:
            return "stopped"
        # BUILD and REBUILD come to their end, ERROR is one; of UNKNOWN the cloud says no more.
        return "unreachable" if status == "UNKNOWN" else "partial"


@dataclass(frozen=True)
class Sight:
    """The cloud at one moment.

    Attributes:
        found: The group's nodes.
        twins: Further servers of the same nodes: made by a request whose answer was lost.
        foreign: Servers that are called like nodes of the group and are not ours.
    """

    found: dict[str, Mine] = field(default_factory=dict)
    twins: tuple[Mine, ...] = ()
    foreign: dict[str, Server] = field(default_factory=dict)

    def every(self, name: str) -> list[Mine]:
        """All servers of one node."""
        found = self.found.get(name)
        return [*([found] if found else []), *(one for one in self.twins if one.mark.node == name)]


def seen(servers: Iterable[Server], template: Template) -> Sight:
    """Sorts a list of servers by whose they are.

    Of several servers of one node that which runs is the node, then that which is coming, then
    the oldest: the others hold nothing yet.
    """
    tags = dict(template.tags)
    mine: list[Mine] = []
    sight = Sight()
    for server in servers:
        mark = server.mark
        if mark and mark.realm == template.realm and same_group(dict(mark.tags), tags):
            mine.append(Mine(server, mark))
        elif server.name in template.names and not server.leaving:
            sight.foreign[server.name] = server
    mine.sort(key=lambda one: (_order(one), one.server.created, one.server.id))
    twins = tuple(one for one in mine if sight.found.setdefault(one.mark.node, one) is not one)
    return Sight(sight.found, twins, sight.foreign)


def _order(one: Mine) -> int:
    if one.server.leaving:
        return 4
    if one.state in ("running", "stopped"):
        return 0
    return {"BUILD": 1, "REBUILD": 1, "ERROR": 3}.get(one.server.status, 2)
