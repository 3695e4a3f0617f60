"""This machine as a site: every node is a process on loopback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from vdc.plan import model as plan
from vdc.sites.resources import NodeGroup
from vdc.sites.site import Control, Site


class Local(Site):
    """Agents beside each other, each with a slice of the machine."""

    kind = "local"

    def servers(self, group: plan.NodeGroup) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`."""
        return self._group(
            group,
            {
                "cert": self.authority.server_cert,
                "key": self.authority.server_key,
                "gossip_key": self.authority.gossip_key,
            },
            depends_on=[self.authority],
        )

    def workers(self, group: plan.NodeGroup, control: Control) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`."""
        return self._group(
            group,
            {
                "cert": self.authority.client_cert,
                "key": self.authority.client_key,
                "scheduler": control.scheduler,
            },
            depends_on=[control.resource],
        )

    def _group(
        self, group: plan.NodeGroup, secrets: Mapping[str, Any], depends_on: list[pulumi.Resource]
    ) -> NodeGroup:
        return NodeGroup(
            self.kind,
            f"{self.site.name}-{group.name}",
            {
                "stack": pulumi.get_stack(),
                "datacenter": self.datacenter,
                "site": self.site.name,
                "group": group.name,
                "role": group.role,
                "prefix": group.prefix,
                "count": group.count,
                "cpu_mhz": group.size.cpu_mhz,
                "memory_mib": group.size.memory_mib,
                "disk_mib": group.size.disk_mib,
                "drain_deadline_s": group.drain_deadline_s,
                "ca_cert": self.authority.ca_cert,
                **secrets,
            },
            pulumi.ResourceOptions(parent=self, depends_on=depends_on),
        )


COMPONENT = Local
