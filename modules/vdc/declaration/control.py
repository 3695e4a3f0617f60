"""What must hold for the addresses at which the control plane is reached."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from vdc.declaration.addresses import is_address
from vdc.declaration.finding import Finding, Findings, Path

_ONE_MACHINE = tuple(map(ip_network, ("127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10")))
"""Loopback, and addresses that mean something only on one cable."""


def addresses_are_one_per_server(servers: int, addresses: tuple[str, ...]) -> Findings:
    """Agents are handed each server's own address."""
    if addresses and len(addresses) != servers:
        yield Finding(
            ("control", "addresses"),
            f"are not as many as there are servers (got {len(addresses)}; servers is {servers})",
            "write one address for each server",
            rests_on=(("control", "servers"),),
        )


def addresses_differ(lists: Mapping[str, tuple[str, ...]]) -> Findings:
    """One that is there twice is one too few."""
    for key, entries in lists.items():
        first: dict[str, Path] = {}
        for index, entry in enumerate(entries):
            here: Path = ("control", key, index)
            if entry in first:
                yield Finding(
                    here, f"stands there already (got {entry})", "remove or correct one of the two",
                    rests_on=(first[entry],),
                )  # fmt: skip
            first.setdefault(entry, here)


def addresses_are_known(addresses: tuple[str, ...] | None, elsewhere: tuple[str, ...]) -> Findings:
    """Machines elsewhere have to dial the servers, and cannot ask anybody where they are."""
    if elsewhere and addresses is None:
        yield Finding(
            ("control", "addresses"),
            f"are missing, and {_sites(elsewhere)} cannot find the servers otherwise",
            "add addresses: with one address for each server that all sites can dial",
            rests_on=(("control", "site"), ("sites",)),
        )


def addresses_are_reached(
    lists: Mapping[str, tuple[str, ...]], elsewhere: tuple[str, ...]
) -> Findings:
    """What is reached on one machine alone is no use to the others."""
    for key, entries in lists.items():
        for index, entry in enumerate(entries):
            if elsewhere and _stays_here(entry):
                yield Finding(
                    ("control", key, index),
                    f"is not reached from {_sites(elsewhere)} (got {entry})",
                    "write one that other machines can dial",
                    rests_on=(("sites",),),
                )


def endpoint_is_served(
    endpoint: tuple[str, ...], addresses: tuple[str, ...], elsewhere: bool
) -> Findings:
    """Without addresses, a control plane on this machine listens on 127.0.0.1 alone."""
    if endpoint and not addresses and not elsewhere:
        yield Finding(
            ("control", "endpoint"),
            f"names a pool API that listens on this machine alone (got {', '.join(endpoint)})",
            "add addresses: to control, or remove endpoint:",
            rests_on=(("control", "addresses"), ("control", "site")),
        )


def _stays_here(host: str) -> bool:
    if not is_address(host):
        return host == "localhost"
    return any(ip_address(host) in network for network in _ONE_MACHINE)


def _sites(names: tuple[str, ...]) -> str:
    return f"site{'s' if len(names) > 1 else ''} {', '.join(names)}"
