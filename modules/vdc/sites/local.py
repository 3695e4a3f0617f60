"""This machine as a site: every node is a process on it."""

from __future__ import annotations

from vdc.plan import model as plan
from vdc.sites.resources import NodeGroup
from vdc.sites.site import ControlPlane, Site


class Local(Site):
    """Agents beside each other, each with a slice of the machine."""

    kind = "local"
    joins = False

    def servers(self, group: plan.NodeGroup, control: plan.Control) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`; on loopback unless addresses are declared."""
        return self.group(group, self.carrying(control), [self.authority])

    def workers(self, group: plan.NodeGroup, control: ControlPlane) -> NodeGroup:
        """See :class:`~vdc.sites.site.Site`."""
        more = {
            "cert": self.authority.client_cert,
            "key": self.authority.client_key,
            "scheduler": control.scheduler,
        }
        return self.group(group, more, [control.resource])


COMPONENT = Local
