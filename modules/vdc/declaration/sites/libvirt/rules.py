"""What must hold for sites on libvirt hosts beyond their shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import TYPE_CHECKING

from vdc.declaration import os as systems
from vdc.declaration.addresses import free_network, is_one_thing
from vdc.declaration.finding import Finding, Findings, Path, dotted
from vdc.declaration.os import OperatingSystem
from vdc.declaration.sites.libvirt.model import Host, LibvirtSite, Machine, Network

if TYPE_CHECKING:
    from vdc.declaration.model import Declaration


@dataclass(frozen=True)
class Template:
    """What machines are made from, and where that is declared."""

    path: Path
    os: OperatingSystem
    machine: Machine

    @property
    def driver(self) -> str:
        """The driver of libvirt that makes such machines."""
        return "lxc" if self.machine == "lxc" else "qemu"


def templates(name: str, site: LibvirtSite, *, control: bool) -> Iterator[Template]:
    """Every template in use: the site's own, where anything takes it as it is, and groups'."""
    plain = [group for group in site.groups.values() if not (group.os or group.machine)]
    if control or plain:
        yield Template(("sites", name), site.os, site.machine)
    for group_name, group in site.groups.items():
        if group.os or group.machine:
            path = ("sites", name, "groups", group_name)
            yield Template(path, group.os or site.os, group.machine or site.machine)


def every_os(
    rule: Callable[[Path, OperatingSystem], Findings], name: str, site: LibvirtSite
) -> Findings:
    """Asks a rule about each system where it is declared."""
    yield from rule(("sites", name, "os"), site.os)
    for group_name, group in site.groups.items():
        if group.os:
            yield from rule(("sites", name, "groups", group_name, "os"), group.os)


def _networks(name: str, site: LibvirtSite) -> Iterator[tuple[Path, Network]]:
    yield ("sites", name, "network"), site.network
    for host_name, host in site.hosts.items():
        if host.network:
            yield ("sites", name, "hosts", host_name, "network"), host.network


def _network_path(name: str, site: LibvirtSite, host: str) -> Path:
    """Where a host's network is declared."""
    own = site.hosts[host].network
    return ("sites", name, "hosts", host, "network") if own else ("sites", name, "network")


def network_is_one_thing(name: str, site: LibvirtSite) -> Findings:
    """Machines have one network; which of two is not ours to choose."""
    for path, network in _networks(name, site):
        yield from is_one_thing(
            path,
            {"bridge": network.bridge, "nat": network.nat},
            "bridge: br0, an existing bridge, or nat: 10.90.0.0/24, a network to make",
        )


def egress_is_of_a_network_of_ours(name: str, site: LibvirtSite) -> Findings:
    """An existing bridge has its way out already, and it is not ours to shut."""
    if site.egress == "none" and not any(network.nat for _, network in _networks(name, site)):
        yield Finding(
            ("sites", name, "egress"),
            "shuts no network, since machines are on existing bridges alone (got none)",
            "write nat: instead of bridge:, or remove egress: and shut the bridge where it is",
            rests_on=(("sites", name, "network"), ("sites", name, "hosts")),
        )


def pool_is_inside_without_egress(name: str, site: LibvirtSite, whole: Declaration) -> Findings:
    """A machine that reaches nobody but its host and its like joins a pool that is there."""
    if site.egress != "none":
        return
    for path, network in _networks(name, site):
        outside = [
            text
            for text in whole.control.addresses
            if network.nat and ip_address(text) not in IPv4Network(network.nat)
        ]
        if outside:
            yield Finding(
                ("sites", name, "egress"),
                f"keeps machines in {network.nat} from the pool (got none; control.addresses has "
                f"{', '.join(outside)})",
                "remove egress:, or give control an address in that network, the first of which "
                "is the host's",
                rests_on=(("control", "addresses"), path, (*path, "nat")),
            )


def ignition_needs_virtual_machines(name: str, site: LibvirtSite, *, control: bool) -> Findings:
    """Ignition runs in the initial ramdisk, which containers do not have."""
    for template in templates(name, site, control=control):
        if template.os.init == "ignition" and template.machine == "lxc":
            path = (*template.path, "machine")
            yield Finding(
                path,
                f"is a container, and {template.os.name} starts by Ignition, which needs a "
                "virtual machine (got lxc)",
                "write auto, or choose a system that starts by cloud-init, such as debian 12",
                rests_on=((*template.path, "os"), ("sites", name, "os", "name")),
            )


def machines_have_a_host(name: str, site: LibvirtSite, *, control: bool) -> Findings:
    """A host's address says which driver of libvirt is meant, and each makes its own sort."""
    drivers = {host.driver for host in site.hosts.values()}
    for template in templates(name, site, control=control):
        if template.driver not in drivers:
            other = "auto, or give" if template.driver == "lxc" else "lxc, or give"
            yield Finding(
                (*template.path, "machine"),
                f"is what none of the site's hosts makes (got {template.machine}; the hosts' "
                f"addresses begin with {', '.join(sorted(drivers))})",
                f"write {other} a host an address that begins with {template.driver}",
                rests_on=(("sites", name, "hosts"), ("sites", name, "machine")),
            )


def _computers(site: LibvirtSite, driver: str | None = None) -> set[str]:
    hosts = site.hosts.values()
    return {host.computer for host in hosts if driver in (None, host.driver)}


def hosts_reach_each_other(name: str, site: LibvirtSite) -> Findings:
    """Work of one app spreads over a site's machines, and its parts talk to each other."""
    networks = {host: site.network_of(host) for host in site.hosts}
    behind = [host for host, network in networks.items() if network.nat and not network.bridge]
    if behind and len(_computers(site)) > 1:
        yield Finding(
            _network_path(name, site, behind[0]),
            "keeps the machines of different hosts from reaching each other (got nat for "
            f"{', '.join(behind)})",
            "write bridge: with a bridge that joins the hosts, unless this is meant",
            level="warning",
        )


def os_carries_control(name: str, site: LibvirtSite, whole: Declaration) -> Findings:
    """Servers take the site's own system."""
    if whole.control.site == name:
        yield from systems.os_carries_control(("sites", name, "os"), site.os)


def servers_stand_apart(name: str, site: LibvirtSite, whole: Declaration) -> Findings:
    """With two servers on one host, its loss may take the majority."""
    servers = whole.control.servers
    driver = Template((), site.os, site.machine).driver
    able = len(_computers(site, driver))
    if whole.control.site == name and 0 < able < servers:
        yield Finding(
            ("control", "servers"),
            f"share hosts, so that the loss of one may stop the control plane (got {servers} "
            f"servers on {able} host{'s' if able > 1 else ''})",
            f"add hosts to site {name}, unless this is meant",
            level="warning",
        )


def control_is_reached(name: str, site: LibvirtSite, whole: Declaration) -> Findings:
    """Behind NAT, servers are reached from their own host alone."""
    if whole.control.site != name:
        return
    driver = Template((), site.os, site.machine).driver
    outside = _outside(name, site, whole)
    told: set[Path] = set()
    for host_name, host in site.hosts.items():
        nat, path = site.network_of(host_name).nat, _network_path(name, site, host_name)
        cut_off = [*outside, *([] if host.is_here else ["this machine"])]
        if nat and cut_off and host.driver == driver and path not in told:
            told.add(path)
            yield Finding(
                (*path, "nat"),
                f"hides the control servers from {', '.join(cut_off)} (got {nat})",
                "write bridge: instead of nat:, or name another site in control.site",
                rests_on=(("control", "site"), ("sites", name, "hosts")),
            )


def servers_are_in_their_network(name: str, site: LibvirtSite, whole: Declaration) -> Findings:
    """In a network that is made for them, servers get the addresses declared for them."""
    if whole.control.site != name:
        return
    driver = Template((), site.os, site.machine).driver
    for host_name, host in site.hosts.items():
        nat = site.network_of(host_name).nat
        if nat is None or host.driver != driver:
            continue
        network = IPv4Network(nat)
        for index, text in enumerate(whole.control.addresses):
            address = ip_address(text)
            if address not in network or address in _kept_free(network):
                path = _network_path(name, site, host_name)
                yield Finding(
                    ("control", "addresses", index),
                    f"is no machine's address in the network of the servers (got {text}; the "
                    f"network is {nat}, and its first address the host's)",
                    f"write one from {network[2]} to {network[-2]}",
                    rests_on=(("control", "site"), path, (*path, "nat")),
                )
        return  # where there are more, they are refused for not reaching each other


def _kept_free(network: IPv4Network) -> tuple[IPv4Address, ...]:
    """Its own name, the host in it, and the address of all."""
    return network[0], network[1], network[-1]


def _outside(name: str, site: LibvirtSite, whole: Declaration) -> list[str]:
    """Who else has to reach the servers, but for their own host and this machine."""
    others = [
        f"site {other}"
        for other, declared in whole.sites.items()
        if other != name and not declared.on_this_machine
    ]
    return [*(["the site's other hosts"] if len(_computers(site)) > 1 else []), *others]


def _hosts(sites: Mapping[str, LibvirtSite]) -> Iterator[tuple[Path, LibvirtSite, str, Host]]:
    for name, site in sites.items():
        for host_name, host in site.hosts.items():
            yield ("sites", name, "hosts", host_name), site, host_name, host


def hosts_differ(sites: Mapping[str, LibvirtSite]) -> Findings:
    """A host that is there twice would give its capacity away twice."""
    seen: dict[tuple[str, str], Path] = {}
    for path, _, _, host in _hosts(sites):
        for key, value in (("uri", host.computer), ("identity", host.identity)):
            mark = (f"{host.driver} {key}", value or "")
            if value is not None and mark in seen:
                yield Finding(
                    (*path, key),
                    f"names the same host as {dotted(seen[mark])} (got {getattr(host, key)})",
                    "remove one of the two",
                    rests_on=((*seen[mark], key),),
                )
                break
            seen.setdefault(mark, path)


def networks_differ(sites: Mapping[str, LibvirtSite]) -> Findings:
    """Two machines with one address would be one to everybody else."""
    found = [
        (path, _network_path(str(path[1]), site, name), IPv4Network(nat), host.computer)
        for path, site, name, host in _hosts(sites)
        if (nat := site.network_of(name).nat)
    ]
    taken = [network for _, _, network, _ in found]
    for index, (path, own, network, computer) in enumerate(found):
        for first, its, other, elsewhere in found[:index]:
            if computer != elsewhere and network.overlaps(other):
                free = free_network(network, taken)
                yield Finding(
                    (*path, "network"),
                    f"overlaps with that of {dotted(first)} (got {network} and {other})",
                    f"give it one of its own, such as network: {{nat: {free}}}",
                    rests_on=(its, own, (*its, "nat"), (*own, "nat")),
                )
                break
