"""What a site is going to take of its project's quotas, part by part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vdc.declaration.finding import Path
from vdc.declaration.sites.openstack import OpenstackSite
from vdc.errors import NodeError
from vdc.plan import NodeGroup, Site
from vdc.plan.tags import GROUP, SITE, ours
from vdc.provider.drivers.openstack import lookup
from vdc.provider.drivers.openstack.cloud import Cloud
from vdc.provider.drivers.openstack.inventory import of_site
from vdc.provider.drivers.openstack.lookup import Flavor
from vdc.provider.drivers.openstack.marks import tagged
from vdc.provider.drivers.openstack.model import Boot
from vdc.provider.drivers.openstack.quota import Need
from vdc.provider.drivers.openstack.sorts import SORTS

_SHARED = ("subnet", "security group", "server group")
_MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Part:
    """Something that a site takes, the declared value that asks for it, and what else to do."""

    need: Need
    path: Path
    remedy: str


async def parts(site: Site, datacenter: str, stack: str) -> AsyncIterator[Part]:
    """What is still to be made for a site, in the order in which it is."""
    declared, cloud = OpenstackSite.model_validate_json(site.declared), of_site(site)
    here: Path = ("sites", site.name)
    things = await cloud.ask("list", lambda c: _of_site(c, site, datacenter, stack))
    network = declared.network
    stands = any(str(one.cidr) == str(network.cidr) for one, _ in things["subnet"])
    if network.cidr and not stands:
        yield Part(
            Need(networks=1, subnets=1, routers=1 if network.router else 0),
            (*here, "network", "cidr"),
            "or name a network that exists",
        )
    wanted = 2 if any(group.role == "server" for group in site.groups) else 1
    more = max(0, wanted - len(things["security group"]))
    yield Part(Need(security_groups=more), here, "or remove some that nobody needs")
    spread = {tags.get(GROUP) for _, tags in things["server group"]}
    servers = await cloud.servers(f"{datacenter}-").fresh()
    marks = [tagged(server.metadata) for server in servers]
    standing = [tags.get(GROUP) for tags in marks if _is_of(tags, site, datacenter, stack)]
    for group in site.groups:
        own = declared.groups.get(group.name)
        of_group = (*here, "groups", group.name)
        if (own is None or own.spread != "none") and group.name not in spread:
            yield Part(
                Need(server_groups=1), (*of_group, "spread") if own else here, "or spread: none"
            )
        count = max(0, group.count - standing.count(group.name))
        yield Part(
            _machines(group, declared, await _flavor(cloud, group, declared), count),
            (*of_group, "count") if own else ("control", "addresses"),
            "or declare fewer or smaller machines",
        )


def _machines(group: NodeGroup, declared: OpenstackSite, flavor: Flavor | None, count: int) -> Need:
    own = declared.groups.get(group.name)
    floating = declared.egress == "public" or bool(own and own.floating_ip)
    volumes = count if own and own.boot == "volume" else 0
    return Need(
        servers=count,
        cores=count * flavor.cores if flavor else 0,
        memory_mib=count * flavor.memory_mib if flavor else 0,
        floating=count if floating else 0,
        volumes=volumes,
        volume_gib=volumes * -(-group.size.disk_mib // _MIB_PER_GIB),
    )


def asked_flavor(group: NodeGroup, declared: OpenstackSite) -> tuple[str, Boot]:
    """The flavour that a group names, empty when none, and from what its machines boot."""
    own = declared.groups.get(group.name)
    return (own.flavor if own else declared.flavor) or "", own.boot if own else "image"


async def _flavor(cloud: Cloud, group: NodeGroup, declared: OpenstackSite) -> Flavor | None:
    """What its machines are; None when there is none, which is a finding of its own."""
    wanted, boot = asked_flavor(group, declared)
    try:
        return await cloud.ask("look-up", lambda c: lookup.flavor(c, wanted, group.size, boot))
    except NodeError:
        return None


def _of_site(
    connection: Any, site: Site, datacenter: str, stack: str
) -> Mapping[str, Sequence[tuple[Any, Mapping[str, str]]]]:
    """What the site's groups share and is there already, by sort, each with its tags."""
    return {
        name: [
            (one, tags)
            for one in SORTS[name].list(connection)
            if _is_of(tags := SORTS[name].tags(one), site, datacenter, stack)
        ]
        for name in _SHARED
    }


def _is_of(tags: Mapping[str, str], site: Site, datacenter: str, stack: str) -> bool:
    return ours(tags, datacenter, stack) and tags.get(SITE) == site.name
