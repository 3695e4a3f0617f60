"""The control plane in AWS: instances with lasting addresses, replaced one after the other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi
from pulumi_aws import ec2

from vdc.bootstrap import layout
from vdc.bootstrap.control import at
from vdc.declaration.sites.aws import AwsSite
from vdc.declaration.sites.aws.subnets import takes, zone_subnet
from vdc.errors import StackError
from vdc.plan import model as plan
from vdc.plan.naming import fitted
from vdc.sites.aws.group import disk, metadata
from vdc.sites.aws.marks import Marks
from vdc.sites.aws.network import Network
from vdc.sites.resources import Server

_LONGEST_NAME = 256


@dataclass(frozen=True)
class Instances:
    """See :class:`~vdc.sites.site.Servers`."""

    addresses: Sequence[str]
    rpc: Sequence[str]
    incarnations: pulumi.Output[Sequence[str]]


@dataclass(frozen=True)
class Making:
    """What the servers of a site are made from.

    Attributes:
        site: As declared.
        group: As planned.
        told: What the inputs of :class:`~vdc.sites.resources.Server` have in common.
        image: What a new one boots.
        network: What they are connected to.
        security_groups: Ids.
        key_name: Of the key pair; None for nobody's.
        public: Whether they get a public address; None as their subnet has it.
        marks: What belongs to them is called so.
    """

    site: AwsSite
    group: plan.NodeGroup
    told: Mapping[str, Any]
    image: pulumi.Input[str]
    network: Network
    security_groups: Sequence[pulumi.Input[str]]
    key_name: pulumi.Input[str] | None
    public: bool | None
    marks: Marks


def servers(making: Making, addresses: Sequence[str]) -> Instances:
    """Makes an instance for each address, in whose subnet and zone it stands.

    Each comes after the one before, so that a change takes one at a time.
    """
    made: list[ec2.Instance] = []
    for node, address in zip(making.group.nodes, addresses, strict=True):
        more = {
            "name": node.name,
            "image": making.image,
            "machine": _machine(making, address),
        }
        before = pulumi.ResourceOptions(parent=making.marks.opts.parent, depends_on=made[-1:])
        server = Server(node.name, {**making.told, **more}, before)
        made.append(_instance(making, node.name, address, server))
    ports = layout.PORTS
    return Instances(
        addresses=[f"https://{at(address, ports.http)}" for address in addresses],
        rpc=[at(address, ports.rpc) for address in addresses],
        incarnations=pulumi.Output.all(*(one.id for one in made)),
    )


def _instance(making: Making, name: str, address: str, server: Server) -> ec2.Instance:
    marks = making.marks
    tags = {**marks.tags, "Name": fitted(name, _LONGEST_NAME)}
    public = {} if making.public is None else {"associate_public_ip_address": making.public}
    opts = pulumi.ResourceOptions(
        # Two of one address cannot be there at once.
        delete_before_replace=True,
        # What AWS would change by stopping it takes its turn as every other change does.
        replace_on_changes=["instanceType", "rootBlockDevice"],
        depends_on=list(making.network.ways),
    )
    return ec2.Instance(
        name,
        ami=server.boots,
        instance_type=making.site.instance_type,
        user_data=server.user_data,
        user_data_replace_on_change=True,
        private_ip=address,
        subnet_id=_subnet(making, address),
        vpc_security_group_ids=list(making.security_groups),
        key_name=making.key_name,
        metadata_options=metadata(),
        root_block_device=disk(making.group),
        volume_tags=tags,
        tags=tags,
        opts=pulumi.ResourceOptions.merge(marks.opts, opts),
        **public,
    )


def _machine(making: Making, address: str) -> str:
    """What changes when an instance is to be another one."""
    site = making.site
    return json.dumps(
        {
            "image": site.image,
            "os": [str(site.os), site.os.arch],
            "instance_type": site.instance_type,
            "network": site.network.model_dump(mode="json"),
            "key": site.access and site.access.key,
            "egress": site.egress,
            "disk_mib": making.group.size.disk_mib,
            "address": address,
        }
    )


def _subnet(making: Making, address: str) -> pulumi.Input[str]:
    """Id of the subnet that has the address."""
    site, opts = making.site, making.marks.opts
    if site.network.cidr:
        parts = {zone: zone_subnet(site.network.cidr, zone) for zone in site.zones}
        return next(making.network.subnets[z] for z, part in parts.items() if _takes(part, address))
    asking = pulumi.InvokeOutputOptions(parent=opts.parent, provider=opts.provider)
    blocks = {
        subnet: ec2.get_subnet_output(id=subnet, opts=asking).cidr_block
        for subnet in site.network.subnets
    }

    def chosen(known: Mapping[str, str]) -> str:
        found = next((subnet for subnet, part in known.items() if _takes(part, address)), None)
        if found is None:
            raise StackError(f"none of the subnets {', '.join(known)} has the address {address}")
        return found

    return pulumi.Output.all(**blocks).apply(chosen)


def _takes(part: str, address: str) -> bool:
    return takes(IPv4Network(part), address)
