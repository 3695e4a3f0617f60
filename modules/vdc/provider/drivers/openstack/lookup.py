"""What a cloud calls the things that a group is made from. All of it blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from vdc.errors import NodeError
from vdc.plan.model import Size
from vdc.provider.drivers.openstack.model import Boot
from vdc.provider.drivers.openstack.sdk import sdk

_MIB_PER_GB = 1024


@dataclass(frozen=True)
class Flavor:
    """A flavour: vCPUs, MiB of memory, GiB of disk of its own.

    Attributes:
        special: Whether it brings hardware that has to be asked for, such as a GPU.
    """

    id: str
    name: str
    cores: int
    memory_mib: int
    disk_gib: int
    special: bool = False

    def lacks(self, size: Size, boot: Boot) -> str:
        """What it lacks to be a machine of this size; empty when nothing.

        A machine that boots from a volume needs no disk of the flavour's.
        """
        disk_gib = _gib(size.disk_mib)
        if self.cores < size.cores:
            return f"has {self.cores} vCPUs and not {size.cores}"
        if self.memory_mib < size.memory_mib:
            return f"has {self.memory_mib:,} MiB of memory and not {size.memory_mib:,}"
        if boot == "image" and self.disk_gib < disk_gib:
            return f"has {self.disk_gib} GiB of disk and not {disk_gib}"
        return ""


def flavor(connection: Any, wanted: str, size: Size, boot: Boot) -> Flavor:
    """The flavour of this name or id, else the smallest; either has the size.

    Raises:
        NodeError: There is none, or it is too small: a node offers its declared size whatever it
            has, so that the scheduler would send work there is no room for.
    """
    if not wanted:
        return smallest(_flavors(connection), size, boot)
    found = named(connection, wanted)
    if lack := found.lacks(size, boot):
        raise NodeError(
            f"flavour {wanted} {lack}; name a larger one, or none for the smallest that has the "
            "size"
        )
    return found


def named(connection: Any, wanted: str) -> Flavor:
    """The flavour of this name or id, whatever it has.

    Raises:
        NodeError: There is none.
    """
    known = _flavors(connection)
    for found in known:
        if wanted in (found.name, found.id):
            return found
    names = ", ".join(sorted(found.name for found in known)[:12]) or "none at all"
    raise NodeError(f"there is no flavour {wanted}; the cloud offers {names}")


def smallest(known: Iterable[Flavor], size: Size, boot: Boot) -> Flavor:
    """The smallest flavour that has at least the size. Pure.

    Of several, that with the fewest vCPUs, then the least memory, then the least disk.

    Raises:
        NodeError: None has it.
    """
    fitting = [one for one in known if not (one.special or one.lacks(size, boot))]
    if not fitting:
        disk_gib = 0 if boot == "volume" else _gib(size.disk_mib)
        raise NodeError(
            f"no flavour has {size.cores} vCPUs, {size.memory_mib} MiB of memory and {disk_gib} "
            "GiB of disk; declare a smaller size, name a flavor, or boot from a volume"
        )
    return min(fitting, key=lambda one: (one.cores, one.memory_mib, one.disk_gib, one.name))


def _gib(mib: int) -> int:
    return -(-mib // _MIB_PER_GB)


def _flavors(connection: Any) -> list[Flavor]:
    return [_flavor(shown) for shown in connection.compute.flavors(limit=1000)]


def _flavor(shown: Any) -> Flavor:
    asked = shown.extra_specs or {}
    special = any(
        key.startswith(("pci_passthrough:", "resources:VGPU", "resources:CUSTOM_")) for key in asked
    )
    return Flavor(
        shown.id, shown.name, shown.vcpus, shown.ram, shown.disk, special or bool(shown.is_disabled)
    )


def image(connection: Any, wanted: str) -> str:
    """The id of the image of this name or id.

    Raises:
        NodeError: There is none, there are several of the name, or it cannot be used yet.
    """
    found = _one(connection.image.find_image, wanted, "image")
    if found.status != "active":
        raise NodeError(f"image {wanted} cannot be used: it is {found.status}")
    return str(found.id)


def network(connection: Any, wanted: str) -> str:
    """The id of the network of this name or id.

    Raises:
        NodeError: There is none, or there are several of the name.
    """
    return str(_one(connection.network.find_network, wanted, "network").id)


def _one(find: Any, wanted: str, what: str) -> Any:
    try:
        found = find(wanted, ignore_missing=True)
    except sdk().exceptions.DuplicateResource:
        raise NodeError(
            f"several of the cloud's {what}s are called {wanted}; name the one by its id"
        ) from None
    if found is None:
        raise NodeError(f"there is no {what} {wanted}; see `openstack {what} list`")
    return found


def subnet(connection: Any, network_id: str, address: str) -> str:
    """The id of the subnet that an address is in.

    Raises:
        NodeError: The network has no such subnet.
    """
    known = list(connection.network.subnets(network_id=network_id))
    for one in known:
        if ip_address(address) in ip_network(one.cidr):
            return str(one.id)
    cidrs = ", ".join(one.cidr for one in known) or "none"
    raise NodeError(f"{address} is in no subnet of the network; it has {cidrs}")


def external(connection: Any, network_id: str, wanted: str = "") -> str:
    """The id of the external network of this name or id, else of that which a router leads to.

    Raises:
        NodeError: There is none.
    """
    if wanted:
        return network(connection, wanted)
    for port in connection.network.ports(network_id=network_id):
        if port.device_owner.startswith("network:router_interface"):
            router = connection.network.get_router(port.device_id)
            gateway = router.external_gateway_info or {}
            if gateway.get("network_id"):
                return str(gateway["network_id"])
    raise NodeError(
        "no router leads from the network to an external one, so there are no floating addresses; "
        "declare network.router, or do without"
    )
