"""The network of a site in AWS: an existing VPC, or one that is made, and who is let in there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, vpc

from vdc.declaration.sites.aws import AwsSite
from vdc.declaration.sites.aws.subnets import shared_subnet, zone_subnet

_EVERYWHERE = "0.0.0.0/0"
_SIGN_IN = 22


@dataclass(frozen=True)
class Network:
    """What machines of a site are connected to.

    Attributes:
        subnets: Their ids, by zone where the VPC is made and else by their own id.
        security_group: Id of what says who reaches the machines; known once its rules are there.
        ways: What has to be there before a machine finds its way out.
    """

    subnets: Mapping[str, pulumi.Input[str]]
    security_group: pulumi.Output[str]
    ways: Sequence[pulumi.Resource]


@dataclass(frozen=True)
class Marks:
    """How the resources of a site are called.

    Attributes:
        label: What their names in the stack begin with.
        name: What they are called at the cloud.
        tags: What all of them carry.
        opts: Their parent and provider.
    """

    label: str
    name: str
    tags: Mapping[str, str]
    opts: pulumi.ResourceOptions

    @property
    def named(self) -> Mapping[str, str]:
        """The tags, and the one that the cloud's console shows as name."""
        return {**self.tags, "Name": self.name}


def network(site: AwsSite, marks: Marks) -> Network:
    """Makes what is not there: the VPC where none is named, and always the security group."""
    wanted = site.network
    if wanted.cidr is None:
        existing = {subnet: subnet for subnet in wanted.subnets}
        return Network(existing, _security_group(site, wanted.vpc or "", marks), ())
    made = ec2.Vpc(
        _label(marks, wanted.cidr),
        cidr_block=wanted.cidr,
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags=marks.named,
        opts=marks.opts,
    )
    subnets, ways = _made(site, wanted.cidr, made, marks)
    return Network(subnets, _security_group(site, made.id, marks), ways)


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
            destination_cidr_block=_EVERYWHERE,
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
        destination_cidr_block=_EVERYWHERE,
        gateway_id=internet.id,
        opts=marks.opts,
    )


def _security_group(site: AwsSite, inside: pulumi.Input[str], marks: Marks) -> pulumi.Output[str]:
    """Machines reach each other and everything outside; nobody else reaches them, but for SSH."""
    made = ec2.SecurityGroup(
        marks.label,
        name=marks.name,
        description=f"Machines of site {marks.label}, made by vdc",
        vpc_id=inside,
        tags=marks.named,
        opts=marks.opts,
    )
    rules: list[pulumi.CustomResource] = [
        vpc.SecurityGroupIngressRule(
            f"{marks.label}-inside",
            security_group_id=made.id,
            referenced_security_group_id=made.id,
            ip_protocol="-1",
            tags=marks.tags,
            opts=marks.opts,
        )
    ]
    for family in ({"cidr_ipv4": _EVERYWHERE}, {"cidr_ipv6": "::/0"}):
        (kind,) = family
        out = vpc.SecurityGroupEgressRule(
            f"{marks.label}-out-{kind[-4:]}",
            security_group_id=made.id,
            ip_protocol="-1",
            tags=marks.tags,
            opts=marks.opts,
            **family,
        )
        rules.append(out)
    for source in site.access.sources if site.access else ():
        let_in = vpc.SecurityGroupIngressRule(
            f"{marks.label}-access-{source.replace('/', '-')}",
            security_group_id=made.id,
            ip_protocol="tcp",
            from_port=_SIGN_IN,
            to_port=_SIGN_IN,
            tags=marks.tags,
            opts=marks.opts,
            **{"cidr_ipv6" if ":" in source else "cidr_ipv4": source},
        )
        rules.append(let_in)
    everything = pulumi.Output.all(made.id, *(rule.id for rule in rules))
    return everything.apply(lambda known: str(known[0]))


def _label(marks: Marks, cidr: str) -> str:
    """Another network is another resource: the old one stays until its machines have left it."""
    return f"{marks.label}-{cidr.replace('/', '-')}"
