"""Sites whose nodes are machines of their own: they join the pool, and may carry it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from vdc.bootstrap.control import pool_endpoints
from vdc.declaration.machine import Surrounded
from vdc.plan import model as plan
from vdc.sites.resources import NodeGroup
from vdc.sites.site import ControlPlane, Site


class MachineSite(Site):
    """A kind adds what its machines are made from."""

    @abstractmethod
    def template(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """What this kind's group needs beside what every group of machines needs."""

    def servers(self, group: plan.NodeGroup, control: plan.Control) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`; at the addresses that ``control`` declares."""
        more = {**self.carrying(control), "endpoints": list(pool_endpoints(control.endpoint))}
        return self.group(group, {**self.template(group), **more}, [self.authority])

    def workers(self, group: plan.NodeGroup, control: ControlPlane) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`; each machine makes its own key and joins."""
        more = {
            "cert": "",
            "key": "",
            "scheduler": control.scheduler,
            "endpoints": control.endpoints,
        }
        return self.group(group, {**self.template(group), **more}, [control.resource])


def surroundings(site: Surrounded) -> Mapping[str, Any]:
    """A declared site's part of :class:`~vdc.provider.machines.MachineInputs`."""
    proxy = site.proxy
    return {
        "proxy": {
            "http": (proxy and proxy.http) or "",
            "https": (proxy and proxy.https) or "",
            "no_proxy": list(proxy.no_proxy) if proxy else [],
        },
        "ntp": list(site.ntp),
        "logs": site.logs or "",
    }
