"""The whole data centre as one Pulumi component; reads as the order in which things are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi

from vdc.declaration import Declaration, fixed
from vdc.plan import model, plan
from vdc.sites.registry import component
from vdc.sites.resources import App, Authority, Cluster, Opening, Service
from vdc.sites.site import ControlPlane, Site


class Datacenter(pulumi.ComponentResource):
    """Everything that one declaration stands for.

    Attributes:
        api: Address of the pool API.
        console: Address of the console.
        ca_file: The certificate authority to trust for both.
    """

    api: pulumi.Output[str]
    console: pulumi.Output[str]
    ca_file: pulumi.Output[str]

    def __init__(
        self, declaration: Declaration, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        self.plan = plan(declaration)
        super().__init__("vdc:index:Datacenter", self.plan.name, None, opts)
        self._inside = pulumi.ResourceOptions(parent=self)
        stack = pulumi.get_stack()

        self.authority = Authority(
            "authority",
            stack=stack,
            datacenter=self.plan.name,
            fixed=fixed(declaration),
            sites=[site.name for site in self.plan.sites],
            dropping=declaration.dropping,
            addresses=self.plan.control.addresses,
            endpoint=self.plan.control.endpoint,
            opts=self._inside,
        )
        self.sites = {site.name: self._site(site) for site in self.plan.sites}
        control = self._control()
        present = self._workers(control, joining=False)
        service = self._service(stack, control, present)
        control = replace(control, endpoints=service.endpoints, resource=service)
        joined = self._workers(control, joining=True)
        opening = Opening(
            "opening",
            scheduler=control.scheduler,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[service, *present, *joined]),
        )
        self.apps = [self._app(stack, app, service, opening) for app in self.plan.apps]

        self.api, self.console, self.ca_file = service.address, service.console, service.ca_file
        self.register_outputs({"api": self.api, "console": self.console, "ca_file": self.ca_file})

    def _site(self, site: model.Site) -> Site:
        return component(site.kind)(site, self.plan.name, self.authority, opts=self._inside)

    def _workers(self, control: ControlPlane, *, joining: bool) -> list[pulumi.Resource]:
        return [
            self.sites[group.site].workers(group, control)
            for group in self.plan.groups
            if group.role == "client" and self.sites[group.site].joins is joining
        ]

    def _control(self) -> ControlPlane:
        (group,) = (group for group in self.plan.groups if group.role == "server")
        servers = self.sites[group.site].servers(group, self.plan.control)
        reach: dict[str, Any] = {
            "addresses": servers.addresses,
            "rpc": servers.rpc,
            "ca_cert": self.authority.ca_cert,
            "cert": self.authority.cli_cert,
            "key": self.authority.cli_key,
        }
        self.cluster = Cluster(
            "cluster",
            scheduler={**reach, "token": self.authority.bootstrap_token},
            incarnations=servers.incarnations,
            service_cert=self.authority.service_cert,
            opts=self._inside,
        )
        return ControlPlane({**reach, "token": self.cluster.provisioner_token}, (), self.cluster)

    def _service(self, stack: str, control: ControlPlane, groups: list[pulumi.Resource]) -> Service:
        return Service(
            "service",
            {
                "stack": stack,
                "datacenter": self.plan.name,
                "currency": self.plan.currency,
                "addresses": list(self.plan.control.addresses),
                "endpoint": list(self.plan.control.endpoint),
                "servers": self._machines(),
                # Servers run no work and are no part of what the pool offers.
                "groups": [_facts(g) for g in self.plan.groups if g.role == "client"],
                "cert": self.authority.service_cert,
                "key": self.authority.service_key,
                "join_cert": self.authority.join_ca_cert,
                "join_key": self.authority.join_ca_key,
                "scheduler": control.scheduler,
                "operator_token": self.cluster.operator_token,
            },
            pulumi.ResourceOptions(parent=self, depends_on=groups),
        )

    def _machines(self) -> Mapping[str, str]:
        """By name, the addresses of machines that carry a service; none where this one does."""
        control = self.plan.control
        if not self.sites[control.site].joins:
            return {}
        (group,) = (group for group in self.plan.groups if group.role == "server")
        names = (node.name for node in group.nodes)
        return dict(zip(names, control.addresses, strict=True))

    def _app(self, stack: str, app: model.App, service: Service, opening: Opening) -> App:
        return App(
            app.name,
            {
                "stack": stack,
                "name": app.name,
                "package": app.package,
                "options": app.options,
                "address": service.address,
            },
            pulumi.ResourceOptions(parent=self, depends_on=[opening]),
        )


def _facts(group: model.NodeGroup) -> Mapping[str, Any]:
    return {
        "site": group.site,
        "name": group.name,
        "node_class": group.name,
        "labels": dict(group.labels),
        "price": None if group.price is None else str(group.price),
    }
