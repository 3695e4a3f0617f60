"""What of a stack is in an AWS account, by its tags, and how it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vdc.declaration.sites.aws import AwsSite
from vdc.errors import NodeError
from vdc.plan import Site
from vdc.plan.tags import DATACENTER, STACK, ours
from vdc.provider.drivers.aws.cloud import Aws, AwsError, shared
from vdc.provider.drivers.aws.sorts import GROUP, PROFILE, ROLE, SORTS, last
from vdc.provider.drivers.backend import Thing

_BEGINNING = "vdc-"
"""Of every name that a site gives: IAM cannot be asked by tag."""


@dataclass(frozen=True)
class _Listing:
    """How EC2 lists a sort: the call, its answer's key, what it calls an id, and which count."""

    operation: str
    key: str
    identity: str
    states: tuple[str, ...] = ()


# What is attached to something goes with that, and so does what is not among these states.
_LISTINGS = {
    "instance": _Listing(
        "describe_instances", "Reservations", "InstanceId", ("pending", "running", "stopped")
    ),
    "launch-template": _Listing("describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    "key-pair": _Listing("describe_key_pairs", "KeyPairs", "KeyPairId"),
    "volume": _Listing("describe_volumes", "Volumes", "VolumeId", ("available", "error")),
    "network-interface": _Listing(
        "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", ("available",)
    ),
    "nat-gateway": _Listing(
        "describe_nat_gateways", "NatGateways", "NatGatewayId", ("pending", "available", "failed")
    ),
    "elastic-ip": _Listing("describe_addresses", "Addresses", "AllocationId"),
    "security-group": _Listing("describe_security_groups", "SecurityGroups", "GroupId"),
    "subnet": _Listing("describe_subnets", "Subnets", "SubnetId"),
    "internet-gateway": _Listing(
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    ),
    "route-table": _Listing("describe_route_tables", "RouteTables", "RouteTableId"),
    "vpc": _Listing("describe_vpcs", "Vpcs", "VpcId"),
}


def of_site(site: Site) -> Aws:
    """The account and region of a declared site."""
    declared = AwsSite.model_validate_json(site.declared)
    return shared(declared.account, declared.region, declared.profile or "")


async def found(site: Site, datacenter: str, stack: str) -> Sequence[Thing]:
    """See :data:`~vdc.provider.drivers.backend.Found`."""

    def listed(aws: Aws) -> list[Thing]:
        groups = list(_groups(aws))
        things = [*groups, *_of_ec2(aws, datacenter, groups), *_of_iam(aws)]
        return [thing for thing in things if ours(thing.tags, datacenter, stack)]

    return await of_site(site).ask(listed)


async def remove(site: Site, thing: Thing) -> None:
    """See :data:`~vdc.provider.drivers.backend.Remove`."""

    def removed(aws: Aws) -> None:
        tags = _tags(aws, thing)
        if tags is None:
            return
        if not ours(tags, thing.tags[DATACENTER], thing.tags[STACK]):
            raise NodeError(f"{thing.sort} {thing.name} is not ours any more; it was left alone")
        SORTS[thing.sort].remove(aws, thing.id)

    try:
        await of_site(site).ask(removed)
    except AwsError as error:
        if not _says_gone(error.code):
            raise


async def left(site: Site, things: Sequence[Thing]) -> Sequence[Thing]:
    """See :data:`~vdc.provider.drivers.backend.Left`."""

    def asked(aws: Aws) -> list[Thing]:
        there = {
            (name, known)
            for name in {thing.sort for thing in things}
            for known in SORTS[name].left(aws, [t.id for t in things if t.sort == name])
        }
        return [thing for thing in things if (thing.sort, thing.id) in there]

    return await of_site(site).ask(asked)


def _says_gone(code: str) -> bool:
    return code.endswith((".NotFound", ".NotFoundException")) or code in (
        "NatGatewayNotFound",
        "NoSuchEntity",
    )


def _groups(aws: Aws) -> Iterator[Thing]:
    """Auto Scaling groups; their instances go with them."""
    for group in aws.pages("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"):
        if not (group.get("Status") or "").startswith("Delete"):
            yield _thing(GROUP, group["AutoScalingGroupARN"], _mapping(group.get("Tags", ())))


def _of_ec2(aws: Aws, datacenter: str, groups: Iterable[Thing]) -> Iterator[Thing]:
    """Everything of EC2's that has a tag of ours and goes with none of these groups."""
    names = {last(group.id) for group in groups}
    for sort, listing in _LISTINGS.items():
        for raw in _listed(aws, listing, datacenter):
            # A network interface's are called otherwise.
            tags = _mapping(raw.get("Tags") or raw.get("TagSet") or ())
            state = raw.get("State") or raw.get("Status") or ""
            state = state["Name"] if isinstance(state, Mapping) else state
            counts = not listing.states or state in listing.states
            if counts and tags.get("aws:autoscaling:groupName") not in names:
                yield _thing(sort, raw[listing.identity], tags)


def _listed(aws: Aws, listing: _Listing, datacenter: str) -> Iterator[Mapping[str, Any]]:
    filters = "Filter" if listing.key == "NatGateways" else "Filters"
    marked = {filters: [{"Name": f"tag:{DATACENTER}", "Values": [datacenter]}]}
    client = aws.client("ec2")
    if client.can_paginate(listing.operation):
        for one in aws.pages("ec2", listing.operation, listing.key, **marked):
            yield from one.get("Instances", [one])
    else:
        yield from getattr(client, listing.operation)(**marked)[listing.key]


def _of_iam(aws: Aws) -> Iterator[Thing]:
    """Roles and instance profiles; a list has no tags, so each of our names is asked for them."""
    for role in aws.pages("iam", "list_roles", "Roles"):
        if role["RoleName"].startswith(_BEGINNING):
            yield from _unless_gone(aws, ROLE, role["Arn"], _role_tags)
    for profile in aws.pages("iam", "list_instance_profiles", "InstanceProfiles"):
        if profile["InstanceProfileName"].startswith(_BEGINNING):
            yield from _unless_gone(aws, PROFILE, profile["Arn"], _profile_tags)


def _unless_gone(
    aws: Aws, sort: str, arn: str, tags: Callable[[Aws, str], Mapping[str, str]]
) -> Iterator[Thing]:
    """One thing of IAM's, which somebody else may have removed since it was listed."""
    try:
        with aws.named():
            found = tags(aws, arn)
    except AwsError as error:
        if not _says_gone(error.code):
            raise
    else:
        yield _thing(sort, arn, found)


def _role_tags(aws: Aws, arn: str) -> dict[str, str]:
    return _mapping(aws.client("iam").get_role(RoleName=last(arn))["Role"].get("Tags", ()))


def _profile_tags(aws: Aws, arn: str) -> dict[str, str]:
    found = aws.client("iam").get_instance_profile(InstanceProfileName=last(arn))
    return _mapping(found["InstanceProfile"].get("Tags", ()))


def _group_tags(aws: Aws, arn: str) -> dict[str, str] | None:
    names = {"AutoScalingGroupNames": [last(arn)]}
    groups = aws.client("autoscaling").describe_auto_scaling_groups(**names)["AutoScalingGroups"]
    return _mapping(groups[0].get("Tags", ())) if groups else None


def _tags(aws: Aws, thing: Thing) -> Mapping[str, str] | None:
    """A thing's tags now; None when it is gone."""
    asked = {GROUP: _group_tags, ROLE: _role_tags, PROFILE: _profile_tags}.get(thing.sort)
    return asked(aws, thing.id) if asked else _ec2_tags(aws, thing.id)


def _ec2_tags(aws: Aws, identity: str) -> dict[str, str] | None:
    chosen = [{"Name": "resource-id", "Values": [identity]}]
    return _mapping(aws.pages("ec2", "describe_tags", "Tags", Filters=chosen)) or None


def _mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _thing(sort: str, identity: str, tags: Mapping[str, str]) -> Thing:
    name = tags.get("Name") or last(identity)
    return Thing(sort, identity, name, tags, frozenset(), SORTS[sort].rank)
