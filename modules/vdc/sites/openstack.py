"""An OpenStack cloud as a site: its network and who is let in there; every node is a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pulumi
from pulumi_openstack import Provider, compute, networking

from vdc.declaration.sites.openstack import OpenstackSite
from vdc.plan import model as plan
from vdc.plan.naming import fitted
from vdc.plan.tags import tags, words
from vdc.sites.doors import (
    DIALLED,
    EVERYWHERE_IPV4,
    EVERYWHERE_IPV6,
    SIGN_IN,
    once_all_are_there,
)
from vdc.sites.machines import MachineSite, surroundings
from vdc.sites.resources import Authority

_LONGEST_NAME = 255
_ETHERTYPES = ("IPv4", "IPv6")
_EVERYWHERE = {"IPv4": EVERYWHERE_IPV4, "IPv6": EVERYWHERE_IPV6}
_SPREAD = {"soft": "soft-anti-affinity", "strict": "anti-affinity"}


Named = Iterator[tuple[str, dict[str, Any]]]
Rules = Callable[[pulumi.Output[str]], Named]
"""The rules of a security group, each with a name, from the group's id."""


class Openstack(MachineSite):
    """A network or an existing one, a security group with what is declared, and servers."""

    kind = "openstack"

    def __init__(
        self,
        site: plan.Site,
        datacenter: str,
        authority: Authority,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(site, datacenter, authority, opts)
        self._declared = OpenstackSite.model_validate_json(site.declared)
        stack = pulumi.get_stack()
        self._name = fitted(f"{datacenter}-{site.name}", _LONGEST_NAME)
        # What bears no tags says by its name alone whose it is; nothing else is called so.
        self._marked = fitted(f"vdc_{datacenter}_{stack}_{site.name}", _LONGEST_NAME)
        marks = tags(datacenter, stack, site.name, expires=self._declared.expires or "")
        self._words = list(words(marks))
        self._provider = Provider(
            site.name,
            cloud=self._declared.cloud,
            region=self._declared.region,
            # Nothing is touched in a cloud while the authority refuses what is declared.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[authority]),
        )
        self._inside = pulumi.ResourceOptions(parent=self, provider=self._provider)
        self._network = self._networked()
        self._members = self._security_group("", self._member_rules)
        self._key_pair = self._keyed()

    def template(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """What the group's servers are made from."""
        site = self._declared
        own = site.groups.get(group.name)
        os = (own and own.os) or site.os
        security_groups = [self._members]
        if group.role == "server":
            security_groups.append(self._security_group("control", _control_rules))
        spread = own.spread if own else "soft"
        return {
            "cloud": site.cloud,
            "region": site.region or "",
            "network": self._network,
            "security_groups": security_groups,
            "key_pair": self._key_pair,
            "image": (own and own.image) or site.image,
            "arch": os.arch,
            "init": os.init,
            "flavor": (own.flavor if own else site.flavor) or "",
            "boot": own.boot if own else "image",
            "floating_ip": site.egress == "public" or bool(own and own.floating_ip),
            "external": site.network.router or "",
            "zones": list((own and own.zones) or site.zones),
            "spread": spread,
            "server_group": self._spread(group.name, spread),
            "expires": site.expires or "",
            "bundle": self._bundle(group),
            **surroundings(site),
        }

    def _bundle(self, group: plan.NodeGroup) -> Mapping[str, str]:
        bundle = self._declared.bundle
        if group.role == "client" or bundle is None:
            return {}
        return {"url": bundle.url, "sha256": bundle.sha256}

    def _networked(self) -> pulumi.Input[str]:
        """Name of the existing network, or id of one that is whole once it is known."""
        wanted = self._declared.network
        if wanted.cidr is None:
            return wanted.name or ""
        # Another network is another resource: the old one stays until its machines have left it.
        label = f"{self.site.name}-{str(wanted.cidr).replace('/', '-')}"
        network = networking.Network(label, name=self._name, tags=self._words, opts=self._inside)
        subnet = networking.Subnet(
            label,
            network_id=network.id,
            name=self._name,
            cidr=str(wanted.cidr),
            ip_version=4,
            tags=self._words,
            opts=self._inside,
        )
        parts = [network.id, subnet.id]
        if wanted.router:
            outside = networking.get_network_output(
                name=wanted.router,
                external=True,
                opts=pulumi.InvokeOutputOptions(parent=self, provider=self._provider),
            )
            router = networking.Router(
                label,
                name=self._name,
                external_network_id=outside.id,
                tags=self._words,
                opts=self._inside,
            )
            interface = networking.RouterInterface(
                label, router_id=router.id, subnet_id=subnet.id, opts=self._inside
            )
            parts.append(interface.id)
        return once_all_are_there(*parts)

    def _security_group(self, of: str, rules: Rules) -> pulumi.Output[str]:
        """Id of a security group that has these rules and no others."""
        label = "-".join(filter(None, (self.site.name, of)))
        group = networking.SecGroup(
            label,
            name=fitted("-".join(filter(None, (self._name, of))), _LONGEST_NAME),
            description=f"Machines of site {self.site.name}, made by vdc",
            # The cloud's own let everything out; what is declared here says so itself.
            delete_default_rules=True,
            tags=self._words,
            opts=self._inside,
        )
        made = [
            networking.SecGroupRule(
                f"{label}-{name}", security_group_id=group.id, opts=self._inside, **rule
            )
            for name, rule in rules(group.id)
        ]
        return once_all_are_there(group.id, *(rule.id for rule in made))

    def _member_rules(self, group_id: pulumi.Output[str]) -> Named:
        for ethertype in _ETHERTYPES:
            yield f"out-{ethertype}", {"direction": "egress", "ethertype": ethertype}
            inside = {"direction": "ingress", "ethertype": ethertype, "remote_group_id": group_id}
            yield f"in-{ethertype}", inside
        access = self._declared.access
        for source in access.sources if access else ():
            yield f"access-{source.replace('/', '-')}", _tcp(SIGN_IN, source)

    def _keyed(self) -> pulumi.Input[str]:
        """Name of the key pair of who looks after the machines; empty for nobody."""
        if self._declared.access is None:
            return ""
        made = compute.Keypair(
            self.site.name,
            name=self._marked,
            public_key=self._declared.access.key,
            # Two of one name cannot be there at once.
            opts=pulumi.ResourceOptions.merge(
                self._inside, pulumi.ResourceOptions(delete_before_replace=True)
            ),
        )
        name: pulumi.Output[str] = made.name
        return name

    def _spread(self, group: str, spread: str) -> pulumi.Input[str]:
        """Id of what holds the cloud to the wanted spread; empty where there is no wish."""
        if spread not in _SPREAD:
            return ""
        made = compute.ServerGroup(
            f"{self.site.name}-{group}",
            name=fitted(f"{self._marked}_{group}", _LONGEST_NAME),
            policies=_SPREAD[spread],
            opts=self._inside,
        )
        known: pulumi.Output[str] = made.id
        return known


def _control_rules(_: pulumi.Output[str]) -> Named:
    for ethertype, everywhere in _EVERYWHERE.items():
        for port in DIALLED:
            yield f"{port}-{ethertype}", _tcp(port, everywhere)


def _tcp(port: int, source: str) -> dict[str, Any]:
    return {
        "direction": "ingress",
        "ethertype": "IPv6" if ":" in source else "IPv4",
        "protocol": "tcp",
        "port_range_min": port,
        "port_range_max": port,
        "remote_ip_prefix": source,
    }


COMPONENT = Openstack
