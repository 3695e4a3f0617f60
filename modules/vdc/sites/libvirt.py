"""Hosts that run libvirt as a site: every node is a domain on one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vdc.declaration.sites.libvirt import Host, LibvirtSite, Network
from vdc.plan import model as plan
from vdc.sites.machines import MachineSite, surroundings


class Libvirt(MachineSite):
    """Virtual machines or system containers, spread over hosts."""

    kind = "libvirt"

    def template(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """What the group's machines are made from, and the hosts that make such machines."""
        declared = LibvirtSite.model_validate_json(self.site.declared)
        own = declared.groups.get(group.name)
        machine = (own and own.machine) or declared.machine
        os = (own and own.os) or declared.os
        driver = "lxc" if machine == "lxc" else "qemu"
        return {
            "hosts": {
                name: _host(host, declared)
                for name, host in declared.hosts.items()
                if host.driver == driver
            },
            "network": _network(declared.network, declared),
            "machine": machine,
            "arch": os.arch,
            "init": os.init,
            "image": os.image_url or "",
            "sha256": os.sha256 or "",
            **surroundings(declared),
        }


def _host(host: Host, site: LibvirtSite) -> Mapping[str, Any]:
    own = {"network": _network(host.network, site)} if host.network else {}
    return {"uri": host.uri, "identity": host.identity or "", "pool": host.pool or "", **own}


def _network(network: Network, site: LibvirtSite) -> Mapping[str, Any]:
    closed = {"closed": True} if network.nat and site.egress == "none" else {}
    return {"bridge": network.bridge or "", "nat": str(network.nat or ""), **closed}


COMPONENT = Libvirt
