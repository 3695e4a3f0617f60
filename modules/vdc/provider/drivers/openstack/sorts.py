"""The sorts of things that a stack has in a cloud, and how each is listed, known and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vdc.plan.tags import DATACENTER, GROUP, SITE, STACK
from vdc.provider.drivers.openstack.marks import Mark, described, tagged


@dataclass(frozen=True)
class Sort:
    """One sort. The methods block.

    Attributes:
        rank: See :class:`~vdc.provider.drivers.backend.Thing`.
        service: Whose API has it.
        noun: What the SDK calls one there: ``get_port``, ``delete_port``, ``ports``.
        tags: What of ours one bears.
        known_by: See :class:`~vdc.provider.drivers.backend.Thing`.
        ending: Whether one is on its way out by itself.
        listed: Where the list of a project is not plainly to be asked for.
        removed: Where more than itself has to go.
    """

    rank: int
    service: str
    noun: str
    tags: Callable[[Any], Mapping[str, str]]
    known_by: Callable[[Any], frozenset[str]] = lambda _: frozenset()
    ending: Callable[[Any], bool] = lambda _: False
    listed: Callable[[Any], Iterable[Any]] | None = None
    removed: Callable[[Any, str], None] | None = None

    def list(self, connection: Any) -> Iterable[Any]:
        """All that a project has, but for what is ending by itself."""
        return (one for one in self.every(connection) if not self.ending(one))

    def every(self, connection: Any) -> Iterable[Any]:
        """All that a project has."""
        if self.listed:
            return self.listed(connection)
        found: Iterable[Any] = self._call(connection, f"{self.noun}s")
        return found

    def get(self, connection: Any, known: str) -> Any:
        """One by its id; the SDK's ``NotFoundException`` when it is gone."""
        return self._call(connection, f"get_{self.noun}", known)

    def delete(self, connection: Any, known: str) -> None:
        """Asks for the end of one by its id."""
        if self.removed:
            self.removed(connection, known)
        else:
            self._call(connection, f"delete_{self.noun}", known)

    def _call(self, connection: Any, method: str, *words: str) -> Any:
        return getattr(getattr(connection, self.service), method)(*words)


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


def _with_routers(plural: str) -> Callable[[Any], Iterable[Any]]:
    """The list of what a cloud without routers does not know."""

    def listed(connection: Any) -> Iterable[Any]:
        network = connection.network
        return getattr(network, plural)() if network.find_extension("router") else ()

    return listed


SORTS: Mapping[str, Sort] = {
    "floating IP": Sort(
        0, "network", "ip", by_description, _node_is_known_by, listed=_with_routers("ips")
    ),
    "server": Sort(
        1,
        "compute",
        "server",
        lambda server: tagged(server.metadata or {}),
        _server_is_known_by,
        ending=lambda server: "deleting" in (server.task_state or ""),
    ),
    "port": Sort(2, "network", "port", by_description, _node_is_known_by),
    "server group": Sort(2, "compute", "server_group", by_name(SITE, GROUP)),
    "keypair": Sort(2, "compute", "keypair", by_name(SITE)),
    "router": Sort(
        3, "network", "router", by_words, listed=_with_routers("routers"), removed=_delete_router
    ),
    "security group": Sort(3, "network", "security_group", by_words),
    "subnet": Sort(4, "network", "subnet", by_words),
    "network": Sort(5, "network", "network", by_words),
}
