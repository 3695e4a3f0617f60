"""What a project may still have in a cloud, against what it is to get. Pure, but for the asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vdc.provider.drivers.openstack.sdk import sdk


@dataclass(frozen=True)
class Need:
    """An amount of what clouds count; every server has a port."""

    servers: int = 0
    cores: int = 0
    memory_mib: int = 0
    floating: int = 0
    networks: int = 0
    subnets: int = 0
    routers: int = 0
    security_groups: int = 0
    server_groups: int = 0
    volumes: int = 0
    volume_gib: int = 0

    @property
    def ports(self) -> int:
        """One for each server."""
        return self.servers


@dataclass(frozen=True)
class Quota:
    """What is left of each; None where there is no end to it, or none that the cloud tells."""

    servers: int | None = None
    cores: int | None = None
    memory_mib: int | None = None
    floating: int | None = None
    ports: int | None = None
    networks: int | None = None
    subnets: int | None = None
    routers: int | None = None
    security_groups: int | None = None
    server_groups: int | None = None
    volumes: int | None = None
    volume_gib: int | None = None

    def less(self, need: Need) -> Quota:
        """What is left for those who come after."""
        known = {name: left for name in _WORDS if (left := getattr(self, name)) is not None}
        return replace(self, **{name: left - getattr(need, name) for name, left in known.items()})


_WORDS = {
    "servers": "servers",
    "cores": "vCPUs",
    "memory_mib": "MiB of memory",
    "floating": "floating addresses",
    "ports": "ports",
    "networks": "networks",
    "subnets": "subnets",
    "routers": "routers",
    "security_groups": "security groups",
    "server_groups": "server groups",
    "volumes": "volumes",
    "volume_gib": "GiB of volumes",
}
# By their names in the network service's quotas.
_OF_NETWORK = {
    "floating_ips": "floating",
    **{name: name for name in ("ports", "networks", "subnets", "routers", "security_groups")},
}


def lacking(need: Need, quota: Quota) -> Iterator[str]:
    """What there is too little of: ``12 vCPUs more, and the quota leaves 4``."""
    for name, word in _WORDS.items():
        wanted, left = getattr(need, name), getattr(quota, name)
        if wanted and left is not None and wanted > left:
            yield f"{wanted} {word} more, and the quota leaves {max(left, 0)}"


def read(connection: Any) -> Quota:
    """What the project may still have; blocks. What a cloud does not say is without an end."""
    limits = connection.compute.get_limits().absolute
    return Quota(
        servers=_left(limits.instances, limits.instances_used),
        cores=_left(limits.total_cores, limits.total_cores_used),
        memory_mib=_left(limits.total_ram, limits.total_ram_used),
        server_groups=_left(limits.server_groups, limits.server_groups_used),
        **_network(connection),
        **_volumes(connection),
    )


def _network(connection: Any) -> Mapping[str, int | None]:
    """What the network service leaves of its quotas; nothing where it tells no details."""
    try:
        quota = connection.network.get_quota(connection.current_project_id, details=True)
    except sdk().exceptions.HttpException:
        return {}
    return {ours: _of(getattr(quota, name)) for name, ours in _OF_NETWORK.items()}


def _volumes(connection: Any) -> Mapping[str, int | None]:
    """Likewise; a cloud may have no volumes."""
    if not connection.has_service("block-storage"):
        return {}
    try:
        limits = connection.block_storage.get_limits().absolute
    except sdk().exceptions.HttpException:
        return {}
    return {
        "volumes": _left(limits.max_total_volumes, limits.total_volumes_used),
        "volume_gib": _left(limits.max_total_volume_gigabytes, limits.total_gigabytes_used),
    }


def _of(known: Mapping[str, int] | None) -> int | None:
    return (
        None if known is None else _left(known["limit"], known["used"] + known.get("reserved", 0))
    )


def _left(most: int | None, used: int | None) -> int | None:
    """A cloud says -1 where it sets no limit."""
    return None if most is None or most < 0 else most - (used or 0)
