"""A region of AWS as a site: every group of work nodes is an Auto Scaling group."""

from __future__ import annotations

from vdc.errors import StackError
from vdc.plan import model as plan
from vdc.sites.resources import NodeGroup
from vdc.sites.site import ControlPlane, Site


class Aws(Site):
    """Instances that the cloud makes, as many as our own resource asks for."""

    kind = "aws"

    def servers(self, group: plan.NodeGroup, control: plan.Control) -> NodeGroup:
        """Servers stand elsewhere; the declaration's rules say so first.

        Raises:
            StackError: Always.
        """
        raise StackError(f"site {self.site.name} cannot carry the control plane; name another one")

    def workers(self, group: plan.NodeGroup, control: ControlPlane) -> NodeGroup:
        """Not before its resources are declared.

        Raises:
            StackError: Always.
        """
        raise StackError(f"group {group.name} of site {self.site.name} cannot be made yet")


COMPONENT = Aws
