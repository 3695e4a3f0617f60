"""What a component of one kind of site offers to the data centre that holds it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import pulumi

from vdc.bootstrap.control import pool_endpoints
from vdc.plan import model as plan
from vdc.sites.resources import Authority, NodeGroup


@dataclass(frozen=True)
class ControlPlane:
    """How work nodes and the provider reach what stands before them.

    Attributes:
        scheduler: Addresses, certificate and the provisioner's token, as the provider takes them.
        endpoints: ``https://host:port`` of the pool API, where machines join.
        resource: What must exist first: the cluster, and for machines that join the pool service.
    """

    scheduler: Mapping[str, Any]
    endpoints: pulumi.Input[Sequence[str]]
    resource: pulumi.Resource


class Servers(Protocol):
    """Machines that carry the control plane; each is known once the machine is there."""

    @property
    def addresses(self) -> pulumi.Input[Sequence[str]]:
        """``https://host:port`` of the scheduler on each."""

    @property
    def rpc(self) -> pulumi.Input[Sequence[str]]:
        """``host:port`` that agents dial."""

    @property
    def incarnations(self) -> pulumi.Input[Sequence[str]]:
        """Change when a machine was made anew, with an empty memory."""


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
    joins: ClassVar[bool] = True
    """Whether work nodes join through the pool service, which then stands before them."""

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
    def servers(self, group: plan.NodeGroup, control: plan.Control) -> Servers:
        """Makes the group that carries the control plane."""

    @abstractmethod
    def workers(self, group: plan.NodeGroup, control: ControlPlane) -> pulumi.Resource:
        """Makes a group that runs work; what is returned exists when its nodes are ready."""

    def group(
        self,
        group: plan.NodeGroup,
        more: Mapping[str, Any],
        depends_on: Sequence[pulumi.Resource],
    ) -> NodeGroup:
        """A group's resource from what every kind's needs, and ``more`` of this kind's own."""
        return NodeGroup(
            self.kind,
            f"{self.site.name}-{group.name}",
            {**self.common(group), "count": group.count, "members": list(group.members), **more},
            pulumi.ResourceOptions(parent=self, depends_on=list(depends_on)),
        )

    def named(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """Which group it is, and how work leaves it; what every resource about a group is told."""
        return {
            "stack": pulumi.get_stack(),
            "datacenter": self.datacenter,
            "site": self.site.name,
            "group": group.name,
            "prefix": group.prefix,
            "drain_deadline_s": group.drain_deadline_s,
        }

    def common(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """What the machines of a group have in common, whoever makes them."""
        return {
            **self.named(group),
            "role": group.role,
            "cpu_mhz": group.size.cpu_mhz,
            "memory_mib": group.size.memory_mib,
            "disk_mib": group.size.disk_mib,
            "ca_cert": self.authority.ca_cert,
        }

    def carrying(self, control: plan.Control) -> Mapping[str, Any]:
        """What control servers of any kind hold, and how the provider asks for their health."""
        authority = self.authority
        return {
            "server_addresses": list(control.addresses),
            "cert": authority.server_cert,
            "key": authority.server_key,
            "gossip_key": authority.gossip_key,
            "scheduler": {
                "addresses": [],
                "rpc": [],
                "ca_cert": authority.ca_cert,
                "cert": authority.cli_cert,
                "key": authority.cli_key,
                "token": authority.bootstrap_token,
            },
            **({"pool": self._pool(control)} if self.joins else {}),
        }

    def _pool(self, control: plan.Control) -> Mapping[str, Any]:
        """The pool service as it comes with each server."""
        authority = self.authority
        return {
            "endpoints": list(pool_endpoints(control.endpoint)),
            "cert": authority.service_cert,
            "key": authority.service_key,
            "join_cert": authority.join_ca_cert,
            "join_key": authority.join_ca_key,
            "release": list(control.release),
        }
