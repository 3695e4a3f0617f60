"""Hosts that run libvirt as a site: every node is a domain on one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vdc.bootstrap.control import pool_endpoints
from vdc.declaration.sites.libvirt import Host, LibvirtSite, Network
from vdc.plan import model as plan
from vdc.sites.resources import NodeGroup
from vdc.sites.site import ControlPlane, Site


class Libvirt(Site):
    """Virtual machines or system containers, spread over hosts."""

    kind = "libvirt"

    def servers(self, group: plan.NodeGroup, control: plan.Control) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`; they have the declared addresses."""
        more = {
            **self.carrying(control),
            "endpoints": list(pool_endpoints(control.endpoint)),
        }
        return self.group(group, {**self._template(group), **more}, [self.authority])

    def workers(self, group: plan.NodeGroup, control: ControlPlane) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`; they make their own keys and join."""
        more = {"cert": "", "key": "", "scheduler": control.scheduler}
        return self.group(
            group,
            {**self._template(group), **more, "endpoints": control.endpoints},
            [control.resource],
        )

    def _template(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """What the group's machines are made from, and the hosts that make such machines."""
        declared = LibvirtSite.model_validate_json(self.site.declared)
        own = declared.groups.get(group.name)
        machine = (own and own.machine) or declared.machine
        os = (own and own.os) or declared.os
        driver = "lxc" if machine == "lxc" else "qemu"
        proxy = declared.proxy
        return {
            "hosts": {
                name: _host(host) for name, host in declared.hosts.items() if host.driver == driver
            },
            "network": _network(declared.network),
            "machine": machine,
            "arch": os.arch,
            "init": os.init,
            "image": os.image_url or "",
            "sha256": os.sha256 or "",
            "proxy": {
                "http": proxy.http or "",
                "https": proxy.https or "",
                "no_proxy": ",".join(proxy.no_proxy),
            }
            if proxy
            else {},
            "ntp": list(declared.ntp),
            "logs": declared.logs or "",
        }


def _host(host: Host) -> Mapping[str, Any]:
    own = {"network": _network(host.network)} if host.network else {}
    return {"uri": host.uri, "identity": host.identity or "", "pool": host.pool or "", **own}


def _network(network: Network) -> Mapping[str, Any]:
    return {"bridge": network.bridge or "", "nat": str(network.nat or "")}


COMPONENT = Libvirt
