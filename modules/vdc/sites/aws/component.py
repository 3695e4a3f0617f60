"""A site in a region of AWS as a Pulumi component."""

from __future__ import annotations

import hashlib
from typing import Any

import pulumi
from pulumi_aws import Provider, ec2, ssm

from vdc.bootstrap.control import pool_endpoints
from vdc.declaration.os import SystemVersion
from vdc.declaration.sites.aws import AwsSite
from vdc.declaration.sites.aws.images import parameter
from vdc.plan import model as plan
from vdc.plan.naming import fitted
from vdc.plan.tags import tags
from vdc.sites.aws.group import HOOK, Image, Machine, Wanted, fleet
from vdc.sites.aws.marks import Marks
from vdc.sites.aws.network import network
from vdc.sites.aws.rights import instance_profile
from vdc.sites.aws.security import dialled, members
from vdc.sites.aws.servers import Instances, Making, servers
from vdc.sites.machines import surroundings
from vdc.sites.resources import Authority, Enrolment, Members
from vdc.sites.site import ControlPlane, Site

_LONGEST_NAME = 255
_USER_DATA_BYTES = 16_384
_VERIFIER = "pkcs7-document"
"""AWS signs who an instance is; see ``pool/joining/identities``."""


class Aws(Site):
    """A VPC or an existing one, and for each group what AWS makes its machines from.

    How many machines a group has and which of them go is no matter of AWS but of
    :class:`~vdc.sites.resources.Members`.
    """

    kind = "aws"

    def __init__(
        self,
        site: plan.Site,
        datacenter: str,
        authority: Authority,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(site, datacenter, authority, opts)
        self._declared = AwsSite.model_validate_json(site.declared)
        self._provider = Provider(
            site.name,
            region=self._declared.region,
            profile=self._declared.profile,
            allowed_account_ids=[self._declared.account],
            # Nothing is touched in a cloud while the authority refuses what is declared.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[authority]),
        )
        marks = self._marks()
        self._network = network(self._declared, marks)
        self._members = members(self._declared, self._network.vpc, marks)
        self._key_name = self._keyed(marks)

    def servers(self, group: plan.NodeGroup, control: plan.Control) -> Instances:
        """See :class:`~vdc.sites.site.Site`; at the addresses that ``control`` declares."""
        site, marks = self._declared, self._marks(group.name)
        bundle = site.bundle
        told = {
            **self.common(group),
            **self.carrying(control),
            **surroundings(site),
            "count": group.count,
            "endpoints": list(pool_endpoints(control.endpoint)),
            "init": site.os.init,
            "bundle": {"url": bundle.url, "sha256": bundle.sha256} if bundle else {},
            "limit": _USER_DATA_BYTES,
        }
        making = Making(
            site=site,
            group=group,
            told=told,
            image=self._image(site.image, site.os).id,
            network=self._network,
            security_groups=[self._members, dialled(self._network.vpc, marks)],
            key_name=self._key_name,
            public=self._public,
            marks=marks,
        )
        return servers(making, control.addresses)

    def workers(self, group: plan.NodeGroup, control: ControlPlane) -> Members:
        """See :class:`~vdc.sites.site.Site`; instances join by the identity that AWS signs."""
        declared = self._declared.groups[group.name]
        os = declared.os or self._declared.os
        marks = self._marks(group.name)
        name = fitted(marks.name, _LONGEST_NAME)
        enrolment = self._enrolment(group, control, os, name)
        zones = list(declared.zones or self._declared.zones) or list(self._network.subnets)
        image = declared.image or (None if declared.os else self._declared.image)
        machine = Machine(
            image=self._image(image, os),
            user_data=enrolment.user_data,
            digest=enrolment.digest,
            profile=instance_profile(self._declared.account, self._declared.region, name, marks),
            security_group=self._members,
            key_name=self._key_name,
            public=self._public,
            subnets={zone: self._network.subnets[zone] for zone in zones},
        )
        made = fleet(Wanted(group, declared, machine, name, marks, self._network.ways))
        return Members(
            marks.label,
            {
                **self.named(group),
                "kind": self.kind,
                "account": self._declared.account,
                "region": self._declared.region,
                "profile": self._declared.profile or "",
                "fleet": name,
                "template": made.template,
                "count": group.count,
                "firm": declared.on_demand,
                "tags": marks.tags,
                "scheduler": control.scheduler,
            },
            pulumi.ResourceOptions(parent=self, depends_on=[*made.parts, enrolment]),
        )

    @property
    def _public(self) -> bool | None:
        egress = self._declared.egress
        return None if egress == "existing" else egress == "public"

    def _enrolment(
        self, group: plan.NodeGroup, control: ControlPlane, os: SystemVersion, fleet_name: str
    ) -> Enrolment:
        site = self._declared
        inputs: dict[str, Any] = {
            **self.common(group),
            "scheduler": control.scheduler,
            "endpoints": control.endpoints,
            **surroundings(site),
            "arch": os.arch,
            "init": os.init,
            "most": group.most,
            "identity": {
                "verifier": _VERIFIER,
                "account": site.account,
                "region": site.region,
                "certificate": site.identity,
            },
            "fleet": fleet_name,
            "hook": HOOK,
            "limit": _USER_DATA_BYTES,
        }
        opts = pulumi.ResourceOptions(parent=self, depends_on=[control.resource])
        return Enrolment(f"{self.site.name}-{group.name}", inputs, opts)

    def _image(self, declared: str | None, os: SystemVersion) -> Image:
        """The declared image, else the latest that the system's publisher names."""
        asking = pulumi.InvokeOutputOptions(parent=self, provider=self._provider)
        own: pulumi.Input[str] | None = declared
        if own is None:
            # The image's name is no secret, and what holds one would hide every change of it.
            own = ssm.get_parameter_output(name=parameter(os), opts=asking).insecure_value
        found = ec2.get_ami_output(filters=[{"name": "image-id", "values": [own]}], opts=asking)
        return Image(found.image_id, found.root_device_name)

    def _keyed(self, marks: Marks) -> pulumi.Input[str] | None:
        """Name of the key pair of who looks after the machines; None for nobody."""
        if self._declared.access is None:
            return None
        key = self._declared.access.key
        # Named by the key, so that another key is another pair, and another template.
        mark = hashlib.sha256(key.encode()).hexdigest()[:8]
        made = ec2.KeyPair(
            marks.label,
            key_name=fitted(f"{marks.name}-{mark}", _LONGEST_NAME),
            public_key=key,
            tags=marks.tags,
            opts=marks.opts,
        )
        name: pulumi.Output[str] = made.key_name
        return name

    def _marks(self, group: str = "") -> Marks:
        """What is made for a group, or for the site."""
        stack, site = pulumi.get_stack(), self.site.name
        parts = ("vdc", self.datacenter, stack, site, group)
        return Marks(
            label="-".join(filter(None, (site, group))),
            name=fitted("-".join(filter(None, parts)), _LONGEST_NAME),
            tags=tags(self.datacenter, stack, site, group, self._declared.expires or ""),
            opts=pulumi.ResourceOptions(parent=self, provider=self._provider),
        )
