"""The network of a site in AWS: an existing VPC, or one that is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2

from vdc.declaration.sites.aws import AwsSite
from vdc.declaration.sites.aws.subnets import shared_subnet, zone_subnet
from vdc.sites.aws.marks import Marks
from vdc.sites.doors import EVERYWHERE_IPV4


@dataclass(frozen=True)
class Network:
    """What machines of a site are connected to.

    Attributes:
        vpc: Id of the VPC.
        subnets: Their ids, by zone where the VPC is made and else by their own id.
        ways: What has to be there before a machine finds its way out.
    """

    vpc: pulumi.Input[str]
    subnets: Mapping[str, pulumi.Input[str]]
    ways: Sequence[pulumi.Resource]


def network(site: AwsSite, marks: Marks) -> Network:
    """Makes the VPC where none is named."""
    wanted = site.network
    if wanted.cidr is None:
        existing = {subnet: subnet for subnet in wanted.subnets}
        return Network(wanted.vpc or "", existing, ())
    made = ec2.Vpc(
        _label(marks, wanted.cidr),
        cidr_block=wanted.cidr,
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags=marks.named,
        opts=marks.opts,
    )
    subnets, ways = _made(site, wanted.cidr, made, marks)
    return Network(made.id, subnets, ways)


def _made(
    site: AwsSite, cidr: str, inside: ec2.Vpc, marks: Marks
) -> tuple[Mapping[str, pulumi.Input[str]], Sequence[pulumi.Resource]]:
    """A subnet for each zone, and the way out of all of them."""
    label = _label(marks, cidr)
    internet = ec2.InternetGateway(label, vpc_id=inside.id, tags=marks.named, opts=marks.opts)
    table = ec2.RouteTable(label, vpc_id=inside.id, tags=marks.named, opts=marks.opts)
    if site.egress == "nat":
        translator = _nat(site, cidr, inside, internet, marks)
        way = ec2.Route(
            label,
            route_table_id=table.id,
            destination_cidr_block=EVERYWHERE_IPV4,
            nat_gateway_id=translator.id,
            opts=marks.opts,
        )
    else:
        way = _outward(label, table, internet, marks)
    subnets: dict[str, pulumi.Input[str]] = {}
    ways: list[pulumi.Resource] = [way]
    for zone in site.zones:
        subnet = ec2.Subnet(
            f"{label}-{zone}",
            vpc_id=inside.id,
            cidr_block=zone_subnet(cidr, zone),
            availability_zone=zone,
            tags={**marks.tags, "Name": f"{marks.name}-{zone}"},
            opts=marks.opts,
        )
        served = ec2.RouteTableAssociation(
            f"{label}-{zone}", route_table_id=table.id, subnet_id=subnet.id, opts=marks.opts
        )
        subnets[zone] = subnet.id
        ways.append(served)
    return subnets, ways


def _nat(
    site: AwsSite, cidr: str, inside: ec2.Vpc, internet: ec2.InternetGateway, marks: Marks
) -> ec2.NatGateway:
    """One gateway for all zones, in a subnet of its own that leads to the internet."""
    label = f"{_label(marks, cidr)}-nat"
    tags = {**marks.tags, "Name": f"{marks.name}-nat"}
    subnet = ec2.Subnet(
        label,
        vpc_id=inside.id,
        cidr_block=shared_subnet(cidr),
        availability_zone=site.zones[0],
        tags=tags,
        opts=marks.opts,
    )
    table = ec2.RouteTable(label, vpc_id=inside.id, tags=tags, opts=marks.opts)
    out = _outward(label, table, internet, marks)
    served = ec2.RouteTableAssociation(
        label, route_table_id=table.id, subnet_id=subnet.id, opts=marks.opts
    )
    address = ec2.Eip(label, domain="vpc", tags=tags, opts=marks.opts)
    return ec2.NatGateway(
        label,
        allocation_id=address.id,
        subnet_id=subnet.id,
        tags=tags,
        opts=pulumi.ResourceOptions.merge(
            marks.opts, pulumi.ResourceOptions(depends_on=[out, served])
        ),
    )


def _outward(
    label: str, table: ec2.RouteTable, internet: ec2.InternetGateway, marks: Marks
) -> ec2.Route:
    return ec2.Route(
        label,
        route_table_id=table.id,
        destination_cidr_block=EVERYWHERE_IPV4,
        gateway_id=internet.id,
        opts=marks.opts,
    )


def _label(marks: Marks, cidr: str) -> str:
    """Another network is another resource: the old one stays until its machines have left it."""
    return f"{marks.label}-{cidr.replace('/', '-')}"
