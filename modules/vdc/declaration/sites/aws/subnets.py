"""How a VPC that is made is parted, so that another zone moves nobody's subnet."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address

PARTS_BITS = 3
"""Eight parts: the first for what is no machine, such as a gateway, the others for zones a to g."""

KEPT = 5
"""Addresses of each subnet that AWS keeps for itself: the first four and the last."""
FIRST, LAST = 4, -2
"""Index in a subnet of the first and the last address that a machine can have."""


def takes(subnet: IPv4Network, address: str) -> bool:
    """Whether a machine in the subnet can have the address."""
    known = ip_address(address)
    return known.version == subnet.version and subnet[FIRST] <= known <= subnet[LAST]


def subnet_prefix(cidr: str) -> int:
    """The length of the prefix of each part."""
    return IPv4Network(cidr).prefixlen + PARTS_BITS


def shared_subnet(cidr: str) -> str:
    """The part for what is no machine."""
    return str(_parts(cidr)[0])


def zone_subnet(cidr: str, zone: str) -> str:
    """The part for the machines of a zone, by the zone's letter."""
    return str(_parts(cidr)[ord(zone[-1]) - ord("a") + 1])


def _parts(cidr: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(cidr).subnets(prefixlen_diff=PARTS_BITS))
