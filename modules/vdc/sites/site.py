"""What a component of one kind of site offers to the data centre that holds it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pulumi

from vdc.plan import model as plan
from vdc.sites.resources import Authority, NodeGroup


@dataclass(frozen=True)
class Control:
    """How work nodes and the provider reach the control servers.

    Attributes:
        scheduler: Addresses, certificate and the provisioner's token, as the provider takes them.
        resource: What must exist first.
    """

    scheduler: Mapping[str, Any]
    resource: pulumi.Resource


class Site(pulumi.ComponentResource):
    """One site of a data centre. A kind says how its groups are made.

    Args:
        site: The site as planned.
        datacenter: The data centre's name.
        authority: Who signs for it.
        opts: Pulumi's options; children are parented here.
    """

    kind: ClassVar[str]
    """The registered kind."""

    def __init__(
        self,
        site: plan.Site,
        datacenter: str,
        authority: Authority,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(f"vdc:site:{self.kind.capitalize()}", site.name, None, opts)
        self.site = site
        self.datacenter = datacenter
        self.authority = authority

    @abstractmethod
    def servers(self, group: plan.NodeGroup) -> NodeGroup:
        """Makes the group that carries the control plane."""

    @abstractmethod
    def workers(self, group: plan.NodeGroup, control: Control) -> NodeGroup:
        """Makes a group that runs work."""
