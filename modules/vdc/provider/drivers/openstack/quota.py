"""What a project may still have in a cloud, against what it is to get. Pure, but for the asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vdc.provider.drivers.openstack.sdk import sdk


@dataclass(frozen=True)
class Need:
    """An amount of what clouds count; every server has a port."""

    servers: int = 0
    cores: int = 0
    memory_mib: int = 0
    floating: int = 0

    @property
    def ports(self) -> int:
        """One for each server."""
        return self.servers


@dataclass(frozen=True)
class Quota:
    """What is left of each; None where there is no end to it."""

    servers: int | None = None
    cores: int | None = None
    memory_mib: int | None = None
    floating: int | None = None
    ports: int | None = None

    def less(self, need: Need) -> Quota:
        """What is left for those who come after."""

        def rest(left: int | None, wanted: int) -> int | None:
            return None if left is None else left - wanted

        return Quota(
            rest(self.servers, need.servers),
            rest(self.cores, need.cores),
            rest(self.memory_mib, need.memory_mib),
            rest(self.floating, need.floating),
            rest(self.ports, need.ports),
        )


_WORDS = {
    "servers": "servers",
    "cores": "vCPUs",
    "memory_mib": "MiB of memory",
    "floating": "floating addresses",
    "ports": "ports",
}


def lacking(need: Need, quota: Quota) -> Iterator[str]:
    """What there is too little of: ``12 vCPUs more, and the quota leaves 4``."""
    for name, word in _WORDS.items():
        wanted, left = getattr(need, name), getattr(quota, name)
        if left is not None and wanted > left:
            yield f"{wanted} {word} more, and the quota leaves {max(left, 0)}"


def read(connection: Any) -> Quota:
    """What the project may still have; blocks. What a cloud does not say is without an end."""
    limits = connection.compute.get_limits().absolute
    network = _network(connection)
    return Quota(
        servers=_left(limits.instances, limits.instances_used),
        cores=_left(limits.total_cores, limits.total_cores_used),
        memory_mib=_left(limits.total_ram, limits.total_ram_used),
        floating=_of(network.get("floating_ips")),
        ports=_of(network.get("ports")),
    )


def _network(connection: Any) -> Mapping[str, Any]:
    """The network service's quotas with what is used of each; nothing where it tells no details."""
    try:
        quota = connection.network.get_quota(connection.current_project_id, details=True)
    except sdk().exceptions.HttpException:
        return {}
    return {name: getattr(quota, name) for name in ("floating_ips", "ports")}


def _of(known: Mapping[str, int] | None) -> int | None:
    return (
        None if known is None else _left(known["limit"], known["used"] + known.get("reserved", 0))
    )


def _left(most: int | None, used: int | None) -> int | None:
    """A cloud says -1 where it sets no limit."""
    return None if most is None or most < 0 else most - (used or 0)
