"""Ports of declared addresses, and floating addresses. All of it blocks and is idempotent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vdc.errors import ForeignNodeError, NodeError
from vdc.plan.tags import words
from vdc.provider.drivers.openstack import lookup, marks
from vdc.provider.drivers.openstack.model import Template
from vdc.provider.drivers.openstack.sdk import sdk


@dataclass(frozen=True)
class Addresses:
    """What one group's nodes have in the network beside what the cloud gives to every server."""

    template: Template

    def port(self, connection: Any, network_id: str, name: str) -> str:
        """The id of a node's port with its declared address; one of ours is taken as it is.

        Raises:
            ForeignNodeError: Somebody else has the address.
            NodeError: The network has no place for it.
        """
        address = self.template.address(name)
        for port in self._ports(connection, name):
            if address in _fixed(port):
                self._tag(connection, port)
                return str(port.id)
            connection.network.delete_port(port.id)
        taken = next(
            connection.network.ports(network_id=network_id, fixed_ips=f"ip_address={address}"),
            None,
        )
        if taken is not None:
            whose = taken.name or taken.device_owner or taken.id
            raise ForeignNodeError(f"the address {address} belongs to port {whose}, not ours")
        port = connection.network.create_port(
            network_id=network_id,
            name=name,
            description=self._description(name),
            security_groups=list(self.template.security_groups),
            fixed_ips=[
                {
                    "subnet_id": lookup.subnet(connection, network_id, address),
                    "ip_address": address,
                }
            ],
        )
        self._tag(connection, port)
        return str(port.id)

    def floating(self, connection: Any, network_id: str, name: str, server_id: str) -> str:
        """A node's floating address, made and attached unless that is done.

        Raises:
            NodeError: The server has no port, or nothing leads out of its network.
        """
        port = next(connection.network.ports(device_id=server_id, network_id=network_id), None)
        if port is None:
            raise NodeError(f"server {name} has no port in its network")
        mine = list(self._floating(connection, name))
        for spare in mine[1:]:
            connection.network.delete_ip(spare.id)
        if not mine:
            found = connection.network.create_ip(
                floating_network_id=lookup.external(connection, network_id, self.template.external),
                description=self._description(name),
                port_id=port.id,
            )
            self._tag(connection, found)
            return str(found.floating_ip_address)
        found = mine[0]
        if found.port_id != port.id:
            connection.network.update_ip(found.id, port_id=port.id)
        self._tag(connection, found)
        return str(found.floating_ip_address)

    def release_floating(self, connection: Any, name: str) -> None:
        """Gives back a node's floating address."""
        for found in self._floating(connection, name):
            connection.network.delete_ip(found.id)

    def release_ports(self, connection: Any, name: str) -> None:
        """Removes a node's port of a declared address."""
        for port in self._ports(connection, name):
            connection.network.delete_port(port.id)

    def nodes(self, connection: Any) -> frozenset[str]:
        """Names of the group's nodes that have a port of a declared address."""
        tags, found = self._tags, set()
        # Not by their tags, which come later than they do.
        for port in connection.network.ports(fields=["id", "description"]):
            whose = marks.described(port.description or "")
            if whose and marks.same_group(whose[0], tags) and whose[2] == self.template.realm:
                found.add(whose[1])
        return frozenset(found)

    def _ports(self, connection: Any, name: str) -> Iterator[Any]:
        yield from list(connection.network.ports(description=self._description(name)))

    def _floating(self, connection: Any, name: str) -> Iterator[Any]:
        # A cloud without routers has no such addresses, and says that it knows of none.
        with contextlib.suppress(sdk().exceptions.NotFoundException):
            yield from list(connection.network.ips(description=self._description(name)))

    def _tag(self, connection: Any, thing: Any) -> None:
        wanted = list(words(self._tags))
        if sorted(thing.tags or ()) != sorted(wanted):
            connection.network.set_tags(thing, wanted)

    @property
    def _tags(self) -> Mapping[str, str]:
        return dict(self.template.tags)

    def _description(self, name: str) -> str:
        return marks.description(self._tags, self.template.realm, name)


def _fixed(port: Any) -> list[str]:
    return [str(entry.get("ip_address")) for entry in port.fixed_ips or ()]
