"""What must hold for sites in a cloud, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network
from typing import TYPE_CHECKING

from vdc.declaration import os as systems
from vdc.declaration.addresses import free_network, is_one_thing
from vdc.declaration.cloud import Bounds, CloudSite
from vdc.declaration.finding import Finding, Findings, Path
from vdc.declaration.machine import proxy_is_named
from vdc.declaration.os import SystemVersion

if TYPE_CHECKING:
    from vdc.declaration.model import Declaration


def systems_of(name: str, site: CloudSite) -> Iterator[tuple[Path, SystemVersion]]:
    """Every system where it is declared; the site's own first."""
    yield ("sites", name, "os"), site.os
    for group_name, group in site.groups.items():
        if group.os:
            yield ("sites", name, "groups", group_name, "os"), group.os


def os_is_known(name: str, site: CloudSite) -> Findings:
    """What is known of a system is known of its versions."""
    for path, os in systems_of(name, site):
        yield from systems.os_is_known(path, os)


def count_has_room(name: str, site: CloudSite) -> Findings:
    """The most is not less than the fewest."""
    for group_name, group in site.groups.items():
        count = group.count
        if isinstance(count, Bounds) and count.max < count.min:
            path: Path = ("sites", name, "groups", group_name, "count")
            yield Finding(
                (*path, "max"),
                f"is less than min (got {count.max}; min is {count.min})",
                f"write {count.min} or more, or lower min",
                rests_on=((*path, "min"),),
            )


def access_is_bounded(name: str, site: CloudSite) -> Findings:
    """The whole internet is no place to sign in from, unless somebody means it."""
    for index, source in enumerate(site.access.sources if site.access else ()):
        if ip_network(source).prefixlen == 0:
            yield Finding(
                ("sites", name, "access", "from", index),
                f"lets everybody try to sign in (got {source})",
                "write the networks that people come from, unless this is meant",
                level="warning",
            )


@dataclass(frozen=True)
class Network:
    """What machines are in: a network that exists, or one that is made.

    Attributes:
        noun: What the cloud calls it.
        key: The property that names one that exists.
        existing: Its value.
        cidr: Of the one that is made.
    """

    noun: str
    key: str
    existing: str | None
    cidr: str | None

    @property
    def is_there(self) -> bool:
        """Whether it exists, and is not made as well."""
        return bool(self.existing and not self.cidr)

    @property
    def is_made(self) -> bool:
        """Whether it is made, and does not exist as well."""
        return bool(self.cidr and not self.existing)


def network_is_one_thing(name: str, network: Network, add: str) -> Findings:
    """Machines have one network; which of two is not ours to choose.

    Args:
        name: The site.
        network: Its network.
        add: What to write for one that exists, and for one to make.
    """
    yield from is_one_thing(
        ("sites", name, "network"), {network.key: network.existing, "cidr": network.cidr}, add
    )


def egress_fits_its_network(
    name: str, egress: str, network: Network, *, nat: str, each: str
) -> Findings:
    """What is there already is not made, and what is made was not there.

    Args:
        name: The site.
        egress: Its way out.
        network: Its network.
        nat: How to write and what to know of one that is made.
        each: What a machine has that is reached by itself.
    """
    if network.is_there and egress == "nat":
        text = f"is made for a {network.noun} that exists already (got nat)"
        repair = f"write existing, or public for {each} each"
    elif network.is_made and egress == "existing":
        text = f"exists already although the {network.noun} is only made (got existing)"
        repair = f"write {nat}, or public for {each} each"
    else:
        return
    yield Finding(("sites", name, "egress"), text, repair, rests_on=(("sites", name, "network"),))


def zones_differ(
    name: str, zones: Sequence[str], groups: Mapping[str, Sequence[str]], *, chosen: bool
) -> Findings:
    """A zone stands once in each list; where ``chosen``, groups choose among the site's."""
    lists: list[tuple[Path, Sequence[str]]] = [(("sites", name, "zones"), zones)]
    lists += [(("sites", name, "groups", group, "zones"), own) for group, own in groups.items()]
    for path, entries in lists:
        for index, zone in enumerate(entries):
            if zone in entries[:index]:
                yield Finding(
                    (*path, index), f"stands there already (got {zone})", "remove one of the two"
                )
            elif chosen and path[2] == "groups" and zone not in zones:
                yield Finding(
                    (*path, index),
                    f"is none of the site's zones (got {zone})",
                    f"add it to these, or write one of them: {', '.join(zones) or 'there is none'}",
                    rests_on=(("sites", name, "zones"),),
                )


def machines_fit(
    name: str, cidr: str | None, kept: int, servers: int, most: Mapping[str, int]
) -> Findings:
    """A network that is made has an address for every machine there may be.

    Args:
        name: The site.
        cidr: Its network; None when it is not made.
        kept: Addresses that the cloud keeps for itself.
        servers: Control servers on the site.
        most: The most machines of each group.
    """
    if cidr is None:
        return
    room = IPv4Network(cidr).num_addresses - kept
    wanted = servers + sum(most.values())
    if wanted > room:
        yield Finding(
            ("sites", name, "network", "cidr"),
            f"has no room for the site's machines (got {cidr}, for {room:,} machines; there may "
            f"be {wanted:,})",
            "write a network with a shorter prefix, or lower the counts",
            rests_on=(("sites", name, "groups"), ("control", "servers")),
        )


def servers_are_in_their_network(
    addresses: Sequence[str], name: str, cidr: str | None, first: int, last: int
) -> Findings:
    """In a network that is made for them, servers get the addresses declared for them.

    Args:
        addresses: The servers' addresses.
        name: The site that carries them.
        cidr: Its network; None when it is not made.
        first: Index in the network of the first address that a machine can have.
        last: Likewise of the last, from the end.
    """
    if cidr is None:
        return
    network = IPv4Network(cidr)
    for index, text in enumerate(addresses):
        address = ip_address(text)
        if address.version != 4 or not network[first] <= address <= network[last]:
            yield Finding(
                ("control", "addresses", index),
                f"is no machine's address in the network of the servers (got {text}; the network "
                f"is {cidr})",
                f"write one from {network[first]} to {network[last]}",
                rests_on=(("control", "site"), ("sites", name, "network")),
            )


def networks_differ(networks: Mapping[str, str | None]) -> Findings:
    """Two machines with one address would be one to everybody else."""
    made = [(name, IPv4Network(cidr)) for name, cidr in networks.items() if cidr]
    for index, (name, network) in enumerate(made):
        for other, taken in made[:index]:
            if network.overlaps(taken):
                there: Path = ("sites", other, "network", "cidr")
                free = free_network(network, [one for _, one in made])
                yield Finding(
                    ("sites", name, "network", "cidr"),
                    f"overlaps with that of sites.{other} (got {network} and {taken})",
                    f"give it one of its own, such as {free}",
                    rests_on=(there,),
                )
                break


def bundle_is_where_control_is(name: str, site: CloudSite, whole: Declaration) -> Findings:
    """A cloud hands machines no disk, and there is no pool yet that servers could ask."""
    carries, path = whole.control.site == name, ("sites", name, "bundle")
    if carries and site.bundle is None:
        yield Finding(
            path,
            "is missing, and control servers find their software nowhere else",
            "add bundle: with the url: and sha256: of what make release has made",
            rests_on=(("control", "site"),),
        )
    elif site.bundle and not carries:
        yield Finding(
            path,
            f"is for a control plane that stands on site {whole.control.site} "
            f"(got {site.bundle.url})",
            "remove it: work nodes have their software from the pool",
            rests_on=(("control", "site"),),
        )
    if carries and site.bundle and whole.control.release:
        yield Finding(
            ("control", "release"),
            f"is in the servers' bundle already (got {whole.control.release.url})",
            "remove it",
            rests_on=(path,),
        )


def os_carries_control(name: str, site: CloudSite, whole: Declaration) -> Findings:
    """Servers take the site's own system."""
    if whole.control.site == name:
        yield from systems.os_carries_control(("sites", name, "os"), site.os)


RULES: Mapping[str, Callable[[str, CloudSite, Declaration], Findings]] = {
    "proxy_is_named": lambda name, site, _: proxy_is_named(name, site),
    "os_is_known": lambda name, site, _: os_is_known(name, site),
    "count_has_room": lambda name, site, _: count_has_room(name, site),
    "access_is_bounded": lambda name, site, _: access_is_bounded(name, site),
    "os_carries_control": os_carries_control,
    "bundle_is_where_control_is": bundle_is_where_control_is,
}
"""What holds in every cloud; each kind adds its own."""
