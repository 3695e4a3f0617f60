"""The sorts of things that a stack has in a cloud, and how each is listed, known and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vdc.plan.tags import DATACENTER, GROUP, SITE, STACK
from vdc.provider.drivers.openstack.marks import Mark, described, tagged


@dataclass(frozen=True)
class Sort:
    """One sort. All but ``tags`` and ``known_by`` block.

    Attributes:
        rank: See :class:`~vdc.provider.drivers.backend.Thing`.
        list: Gives all that a project has, but for what is ending by itself.
        get: Gives one by its id; the SDK's ``NotFoundException`` when it is gone.
        delete: Asks for the end of one by its id.
        tags: What of ours one bears.
        known_by: See :class:`~vdc.provider.drivers.backend.Thing`.
    """

    rank: int
    list: Callable[[Any], Iterable[Any]]
    get: Callable[[Any, str], Any]
    delete: Callable[[Any, str], object]
    tags: Callable[[Any], Mapping[str, str]]
    known_by: Callable[[Any], frozenset[str]] = lambda _: frozenset()


def by_words(thing: Any) -> dict[str, str]:
    """Tags that are single words ``key=value``."""
    return tagged(dict(word.partition("=")[::2] for word in thing.tags or () if "=" in word))


def by_description(thing: Any) -> dict[str, str]:
    """Those of what a node has in the network; its tags come later than it does."""
    known = described(thing.description or "")
    return {**(known[0] if known else {}), **by_words(thing)}


def by_name(*after: str) -> Callable[[Any], Mapping[str, str]]:
    """Those of what can bear nothing but a name: ``vdc_<data centre>_<stack>_<site>``.

    Of its parts the stack's name alone may hold underscores, and each sort has its own number of
    parts ``after`` it, so that there is one way to read a name.
    """

    def read(thing: Any) -> Mapping[str, str]:
        head, _, rest = (thing.name or "").partition("_")
        datacenter, _, rest = rest.partition("_")
        parts = (datacenter, *rest.rsplit("_", len(after)))
        keys = (DATACENTER, STACK, *after)
        if head != "vdc" or len(parts) != len(keys) or not all(parts):
            return {}
        return dict(zip(keys, parts, strict=True))

    return read


def _servers(connection: Any) -> Iterable[Any]:
    for server in connection.compute.servers(limit=1000):
        if "deleting" not in (server.task_state or ""):
            yield server


def _server_is_known_by(server: Any) -> frozenset[str]:
    mark = Mark.read(dict(server.metadata or {}))
    return frozenset({mark.incarnation}) if mark else frozenset()


def _node_is_known_by(thing: Any) -> frozenset[str]:
    known = described(thing.description or "")
    return frozenset({known[1]}) if known else frozenset()


def _delete_router(connection: Any, router: str) -> None:
    for port in list(connection.network.ports(device_id=router)):
        if port.device_owner.startswith("network:router_interface"):
            connection.network.remove_interface_from_router(router, port_id=port.id)
    connection.network.delete_router(router)


SORTS: Mapping[str, Sort] = {
    "floating IP": Sort(
        rank=0,
        list=lambda c: c.network.ips() if c.network.find_extension("router") else (),
        get=lambda c, known: c.network.get_ip(known),
        delete=lambda c, known: c.network.delete_ip(known),
        tags=by_description,
        known_by=_node_is_known_by,
    ),
    "server": Sort(
        rank=1,
        list=_servers,
        get=lambda c, known: c.compute.get_server(known),
        delete=lambda c, known: c.compute.delete_server(known),
        tags=lambda server: tagged(server.metadata or {}),
        known_by=_server_is_known_by,
    ),
    "port": Sort(
        rank=2,
        list=lambda c: c.network.ports(),
        get=lambda c, known: c.network.get_port(known),
        delete=lambda c, known: c.network.delete_port(known),
        tags=by_description,
        known_by=_node_is_known_by,
    ),
    "server group": Sort(
        rank=2,
        list=lambda c: c.compute.server_groups(),
        get=lambda c, known: c.compute.get_server_group(known),
        delete=lambda c, known: c.compute.delete_server_group(known),
        tags=by_name(SITE, GROUP),
    ),
    "keypair": Sort(
        rank=2,
        list=lambda c: c.compute.keypairs(),
        get=lambda c, known: c.compute.get_keypair(known),
        delete=lambda c, known: c.compute.delete_keypair(known),
        tags=by_name(SITE),
    ),
    "router": Sort(
        rank=3,
        list=lambda c: c.network.routers() if c.network.find_extension("router") else (),
        get=lambda c, known: c.network.get_router(known),
        delete=_delete_router,
        tags=by_words,
    ),
    "security group": Sort(
        rank=3,
        list=lambda c: c.network.security_groups(),
        get=lambda c, known: c.network.get_security_group(known),
        delete=lambda c, known: c.network.delete_security_group(known),
        tags=by_words,
    ),
    "subnet": Sort(
        rank=4,
        list=lambda c: c.network.subnets(),
        get=lambda c, known: c.network.get_subnet(known),
        delete=lambda c, known: c.network.delete_subnet(known),
        tags=by_words,
    ),
    "network": Sort(
        rank=5,
        list=lambda c: c.network.networks(),
        get=lambda c, known: c.network.get_network(known),
        delete=lambda c, known: c.network.delete_network(known),
        tags=by_words,
    ),
}
