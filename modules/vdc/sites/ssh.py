"""Machines that exist already as a site: each is taken in over SSH."""

from __future__ import annotations

from typing import Any

from vdc.bootstrap.control import pool_endpoints
from vdc.declaration.sites.ssh import SshSite
from vdc.plan import model as plan
from vdc.sites.resources import NodeGroup
from vdc.sites.site import ControlPlane, Site


class Ssh(Site):
    """An inventory of Linux machines, bare metal for one; none is made and none goes."""

    kind = "ssh"

    def servers(self, group: plan.NodeGroup, control: plan.Control) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`; at the addresses that ``control`` declares."""
        more = {
            **self.carrying(control),
            "endpoints": list(pool_endpoints(control.endpoint)),
        }
        return self.group(group, {**self._machines(group), **more}, [self.authority])

    def workers(self, group: plan.NodeGroup, control: ControlPlane) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`; each machine makes its own key and joins."""
        more = {
            "cert": "",
            "key": "",
            "scheduler": control.scheduler,
            "endpoints": control.endpoints,
        }
        return self.group(group, {**self._machines(group), **more}, [control.resource])

    def _machines(self, group: plan.NodeGroup) -> dict[str, Any]:
        """How a group's machines are reached, and their surroundings."""
        declared = SshSite.model_validate_json(self.site.declared)
        known = {name: declared.machines[name] for name in group.members}
        proxy = declared.proxy
        return {
            "inventory": [
                {
                    "name": name,
                    "address": machine.address,
                    "port": machine.port,
                    "user": machine.user,
                    "host_key": machine.host_key,
                }
                for name, machine in known.items()
            ],
            "identity_file": declared.key or "",
            "proxy_http": (proxy and proxy.http) or "",
            "proxy_https": (proxy and proxy.https) or "",
            "no_proxy": list(proxy.no_proxy) if proxy else [],
            "ntp": list(declared.ntp),
            "logs": declared.logs or "",
        }


COMPONENT = Ssh
