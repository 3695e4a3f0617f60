"""What must hold for sites in an OpenStack cloud beyond their shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from vdc.declaration import cloud_rules
from vdc.declaration.cloud_rules import Network
from vdc.declaration.finding import Finding, Findings, Path
from vdc.declaration.sites.openstack.model import OpenstackSite

if TYPE_CHECKING:
    from vdc.declaration.model import Declaration

# The subnet's own address, its gateway, and its last; and the server that hands out addresses.
_KEPT = 4


def _network(site: OpenstackSite) -> Network:
    return Network("network", "name", site.network.name, site.network.cidr)


def network_is_one_thing(name: str, site: OpenstackSite) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.network_is_one_thing`; a made one has a way out."""
    yield from cloud_rules.network_is_one_thing(
        name,
        _network(site),
        "name: with an existing one, or cidr: 10.60.0.0/24 and router: for one to make",
    )
    network, path = site.network, ("sites", name, "network")
    if _network(site).is_made and not network.router:
        yield Finding(
            path,
            "is made without a way out, so that no machine would reach the pool "
            f"(got {network.cidr})",
            "add router: with the name of the external network",
            rests_on=((*path, "cidr"), (*path, "router")),
        )


def egress_fits_its_network(name: str, site: OpenstackSite) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.egress_fits_its_network`."""
    yield from cloud_rules.egress_fits_its_network(
        name, site.egress, _network(site), nat="nat", each="a floating address"
    )


def _floating(name: str, site: OpenstackSite) -> Iterator[tuple[Path, str]]:
    """Every place that asks for floating addresses, and what it says."""
    if site.egress == "public":
        yield ("sites", name, "egress"), "public"
    for group_name, group in site.groups.items():
        if group.floating_ip:
            yield ("sites", name, "groups", group_name, "floating_ip"), "true"


def floating_addresses_have_a_source(name: str, site: OpenstackSite) -> Findings:
    """Floating addresses come from an external network, which an existing one does not name."""
    wanted = list(_floating(name, site))
    router: Path = ("sites", name, "network", "router")
    if _network(site).is_there and site.network.router and not wanted:
        yield Finding(
            router,
            "is of no use to a network that exists already, where no machine has a floating "
            f"address (got {site.network.router})",
            "remove it, or write cidr: instead of name:",
            rests_on=(("sites", name, "network", "name"), ("sites", name, "egress")),
        )
    if site.network.name and not site.network.router:
        for path, said in wanted:
            yield Finding(
                path,
                f"asks for floating addresses, and nothing says from where (got {said})",
                "add router: with the name of the external network to the site's network",
                rests_on=(router,),
            )


def image_holds_its_system(name: str, site: OpenstackSite) -> Findings:
    """Another system comes from another image; a cloud does not say what an image holds."""
    for group_name, group in site.groups.items():
        path: Path = ("sites", name, "groups", group_name, "os")
        other = group.os and (group.os.name, group.os.version, group.os.arch)
        if group.os and other != (site.os.name, site.os.version, site.os.arch) and not group.image:
            yield Finding(
                path,
                f"is not what the site's image holds (got {group.os}; the site's is {site.os}, "
                f"{site.os.arch})",
                "add image: to the group",
                rests_on=((*path[:-1], "image"), ("sites", name, "os")),
            )


def flavor_is_for_servers(name: str, site: OpenstackSite, whole: Declaration) -> Findings:
    """Groups say theirs themselves."""
    if site.flavor and whole.control.site != name:
        yield Finding(
            ("sites", name, "flavor"),
            f"is for a control plane that stands on site {whole.control.site} (got {site.flavor})",
            "move it to the groups that it is meant for",
            rests_on=(("control", "site"),),
        )


def zones_differ(name: str, site: OpenstackSite) -> Findings:
    """Groups may go where the site does not go of itself."""
    own = {group: declared.zones for group, declared in site.groups.items()}
    yield from cloud_rules.zones_differ(name, site.zones, own, chosen=False)


def machines_fit_their_network(name: str, site: OpenstackSite, whole: Declaration) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.machines_fit`."""
    servers = whole.control.servers if whole.control.site == name else 0
    most = {group: declared.most_machines for group, declared in site.groups.items()}
    yield from cloud_rules.machines_fit(name, site.network.cidr, _KEPT, servers, most)


def servers_are_in_their_network(name: str, site: OpenstackSite, whole: Declaration) -> Findings:
    """The gateway has the first address, and the server of addresses mostly the second."""
    if whole.control.site == name:
        addresses = whole.control.addresses
        yield from cloud_rules.servers_are_in_their_network(
            addresses, name, site.network.cidr, 3, -2
        )


def networks_differ(sites: Mapping[str, OpenstackSite]) -> Findings:
    """See :func:`vdc.declaration.cloud_rules.networks_differ`."""
    yield from cloud_rules.networks_differ(
        {name: site.network.cidr for name, site in sites.items()}
    )
