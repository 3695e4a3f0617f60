"""An OpenStack cloud as a site: every node is a server in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vdc.declaration.sites.openstack import OpenstackSite
from vdc.plan import model as plan
from vdc.sites.machines import MachineSite, surroundings


class Openstack(MachineSite):
    """Servers of a cloud, made by our own provider in a network of the cloud."""

    kind = "openstack"

    def template(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """What the group's servers are made from."""
        declared = OpenstackSite.model_validate_json(self.site.declared)
        return {"cloud": declared.cloud, "region": declared.region or "", **surroundings(declared)}


COMPONENT = Openstack
