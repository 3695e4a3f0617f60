"""What must hold for sites in a region of AWS beyond their shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from vdc.declaration import cloud_rules
from vdc.declaration.cloud_rules import Network
from vdc.declaration.finding import Finding, Findings, Path
from vdc.declaration.sites.aws.images import parameter
from vdc.declaration.sites.aws.model import AwsSite, Spot
from vdc.declaration.sites.aws.subnets import (
    FIRST,
    KEPT,
    LAST,
    PARTS_BITS,
    subnet_prefix,
    takes,
    zone_subnet,
)

if TYPE_CHECKING:
    from vdc.declaration.model import Declaration

_SMALLEST = 28
"""The longest prefix of a subnet."""


def _network(site: AwsSite) -> Network:
    return Network("VPC", "vpc", site.network.vpc, site.network.cidr)


def network_is_one_thing(name: str, site: AwsSite) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.network_is_one_thing`; subnets are of a VPC's."""
    yield from cloud_rules.network_is_one_thing(
        name,
        _network(site),
        "vpc: and subnets: of an existing one, or cidr: 10.70.0.0/16 for one to make",
    )
    network, path = site.network, ("sites", name, "network")
    if _network(site).is_there and not network.subnets:
        yield Finding(
            path,
            f"says not where in the VPC machines go (got {network.vpc})",
            "add subnets: with one subnet for each zone",
            rests_on=((*path, "subnets"),),
        )
    elif _network(site).is_made and network.subnets:
        yield Finding(
            (*path, "subnets"),
            "are of an existing VPC, and this one is made",
            "remove them; each of the site's zones gets one",
            rests_on=((*path, "vpc"), (*path, "cidr")),
        )


def subnets_differ(name: str, site: AwsSite) -> Findings:
    """A subnet stands once."""
    for index, subnet in enumerate(site.network.subnets):
        if subnet in site.network.subnets[:index]:
            yield Finding(
                ("sites", name, "network", "subnets", index),
                f"stands there already (got {subnet})",
                "remove or correct one of the two",
            )


def egress_fits_its_network(name: str, site: AwsSite) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.egress_fits_its_network`."""
    yield from cloud_rules.egress_fits_its_network(
        name, site.egress, _network(site), nat="nat, which AWS bills", each="a public address"
    )


def zones_have_subnets(name: str, site: AwsSite) -> Findings:
    """Zones are where subnets are made; those of an existing VPC are in zones of their own."""
    path: Path = ("sites", name, "zones")
    grounds: tuple[Path, ...] = (("sites", name, "network"), ("sites", name, "zones"))
    if _network(site).is_made and not site.zones:
        yield Finding(
            path,
            "are missing, and the VPC that is made needs a subnet in each",
            f"add zones: [{site.region}a, {site.region}b]",
            rests_on=(*grounds, ("sites", name, "region")),
        )
    elif _network(site).is_there:
        lists: list[tuple[Path, tuple[str, ...]]] = [(path, site.zones)]
        lists += [
            (("sites", name, "groups", group, "zones"), declared.zones)
            for group, declared in site.groups.items()
        ]
        for where, zones in lists:
            if zones:
                yield Finding(
                    where,
                    f"are chosen by the subnets of the existing VPC (got {', '.join(zones)})",
                    "remove them, and name the subnets that are wanted",
                    rests_on=grounds[:1],
                )


def zones_are_in_the_region(name: str, site: AwsSite) -> Findings:
    """A site is in one region."""
    for index, zone in enumerate(site.zones):
        if zone[:-1] != site.region:
            yield Finding(
                ("sites", name, "zones", index),
                f"is in another region (got {zone}; the region is {site.region})",
                f"write one such as {site.region}{zone[-1]}",
                rests_on=(("sites", name, "region"),),
            )


def zones_differ(name: str, site: AwsSite) -> Findings:
    """Groups choose among the zones that have subnets."""
    own = {
        group: declared.zones if site.network.cidr else ()
        for group, declared in site.groups.items()
    }
    yield from cloud_rules.zones_differ(name, site.zones, own, chosen=True)


def subnets_have_room(name: str, site: AwsSite) -> Findings:
    """A VPC is parted into eight subnets, none of which may be smaller than sixteen addresses."""
    cidr = site.network.cidr
    if cidr and _parted_too_small(cidr):
        yield Finding(
            ("sites", name, "network", "cidr"),
            f"is too small to be parted into a subnet for each zone (got {cidr})",
            f"write a prefix of /{_SMALLEST - PARTS_BITS} or shorter",
        )


def _parted_too_small(cidr: str) -> bool:
    return subnet_prefix(cidr) > _SMALLEST


def machines_fit_their_network(name: str, site: AwsSite, whole: Declaration) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.machines_fit`; by what subnets hold together."""
    cidr = site.network.cidr
    if cidr is None or not site.zones or _parted_too_small(cidr):
        return
    servers = whole.control.servers if whole.control.site == name else 0
    room = len(site.zones) * (2 ** (32 - subnet_prefix(cidr)) - KEPT)
    kept = IPv4Network(cidr).num_addresses - room
    most = {group: declared.most_machines for group, declared in site.groups.items()}
    yield from cloud_rules.machines_fit(name, cidr, kept, servers, most)


def image_is_known(name: str, site: AwsSite) -> Findings:
    """Not every publisher tells AWS its latest image."""
    plain = [group for group in site.groups.values() if not (group.image or group.os)]
    if plain and not site.image and site.os.release and not parameter(site.os):
        yield _imageless(("sites", name), str(site.os))
    for group_name, group in site.groups.items():
        if group.os and not group.image and group.os.release and not parameter(group.os):
            yield _imageless(("sites", name, "groups", group_name), str(group.os))


def _imageless(path: Path, os: str) -> Finding:
    return Finding(
        (*path, "image"),
        f"is missing, and the publisher of {os} is not known to tell AWS its latest",
        "add image: with the AMI's ID",
        rests_on=((*path, "os"), (*path, "os", "name"), (*path, "os", "version")),
    )


def instance_types_fit_their_system(name: str, site: AwsSite) -> Findings:
    """A type says in its family's name whether its processor is an ARM one."""
    system: Path = ("sites", name, "os")
    for group_name, group in site.groups.items():
        path: Path = ("sites", name, "groups", group_name)
        os = group.os or site.os
        for index, kind in enumerate(group.instance_types):
            if kind in group.instance_types[:index]:
                yield Finding(
                    (*path, "instance_types", index),
                    f"stands there already (got {kind})",
                    "remove one of the two",
                )
            elif (has := processor(kind)) != os.arch:
                where, grounds = (*path, "instance_types", index), ((*path, "os"), system)
                yield _other_processor(where, kind, has, os.arch, grounds)


def _other_processor(
    path: Path, kind: str, has: str, arch: str, rests_on: tuple[Path, ...]
) -> Finding:
    return Finding(
        path,
        f"has {has} processors, and the image is for {arch} (got {kind})",
        f"write a type with {arch} processors, or arch: {has} below os:",
        rests_on=rests_on,
    )


def processor(instance_type: str) -> str:
    """``g`` after the generation's number stands for Graviton; the first generation was a1."""
    family = instance_type.partition(".")[0]
    attributes = re.sub(r"^[a-z]+(-[0-9a-z]+)?[0-9]+", "", family)
    return "arm64" if "g" in attributes or family == "a1" else "amd64"


def some_are_of_the_market(name: str, site: AwsSite) -> Findings:
    """With as many that are not, none is."""
    for group_name, group in site.groups.items():
        spot = group.spot
        if isinstance(spot, Spot) and spot.on_demand >= group.most_machines:
            path: Path = ("sites", name, "groups", group_name)
            yield Finding(
                (*path, "spot", "on_demand"),
                f"leaves no machine to the market (got {spot.on_demand} of at most "
                f"{group.most_machines})",
                "lower it, or write spot: false",
                rests_on=((*path, "count"),),
            )


def key_is_taken(name: str, site: AwsSite) -> Findings:
    """EC2 takes keys of two sorts."""
    if site.access and site.access.key.startswith("ecdsa"):
        yield Finding(
            ("sites", name, "access", "key"),
            f"is of a sort that AWS does not take (got {site.access.key.split()[0]})",
            "write a key that begins with ssh-ed25519 or ssh-rsa",
        )


def instance_type_is_for_servers(name: str, site: AwsSite, whole: Declaration) -> Findings:
    """Groups say theirs themselves; a single instance is of one type, which is not chosen here."""
    carries, kind = whole.control.site == name, site.instance_type
    path: Path = ("sites", name, "instance_type")
    if carries and kind is None:
        yield Finding(
            path,
            "is missing, and control servers are instances of one type",
            "add instance_type: m6i.large, or another one that has the size of control:",
            rests_on=(("control", "site"),),
        )
    elif kind and not carries:
        yield Finding(
            path,
            f"is for a control plane that stands on site {whole.control.site} (got {kind})",
            "remove it, or write instance_types: at the groups that it is meant for",
            rests_on=(("control", "site"),),
        )
    elif kind and (has := processor(kind)) != site.os.arch:
        yield _other_processor(path, kind, has, site.os.arch, (("sites", name, "os"),))


def servers_are_in_their_subnets(name: str, site: AwsSite, whole: Declaration) -> Findings:
    """In a VPC that is made, a server's address says its zone; one zone is no place for all."""
    cidr = site.network.cidr
    if whole.control.site != name or cidr is None or _parted_too_small(cidr):
        return
    grounds: tuple[Path, ...] = (("control", "site"), ("sites", name, "network"))
    parts = {zone: IPv4Network(zone_subnet(cidr, zone)) for zone in site.zones}
    free = ", ".join(f"{part[FIRST]} to {part[LAST]} ({zone})" for zone, part in parts.items())
    used: set[str] = set()
    for index, address in enumerate(whole.control.addresses):
        zone = next((zone for zone, part in parts.items() if takes(part, address)), None)
        if zone is None:
            yield Finding(
                ("control", "addresses", index),
                f"is no machine's address in a subnet of the servers (got {address})",
                f"write one of {free}",
                rests_on=(*grounds, ("sites", name, "zones")),
            )
        else:
            used.add(zone)
    if len(used) == 1 < min(len(parts), len(whole.control.addresses)):
        yield Finding(
            ("control", "addresses"),
            f"are all in one zone, whose end is the end of all servers (got {used.pop()})",
            f"spread them over {free}",
            level="warning",
            rests_on=grounds,
        )


def networks_differ(sites: Mapping[str, AwsSite]) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.networks_differ`."""
    yield from cloud_rules.networks_differ(
        {name: site.network.cidr for name, site in sites.items()}
    )
