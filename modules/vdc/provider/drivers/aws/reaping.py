"""What of a stack is in an AWS account, by its tags, and how it goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vdc.declaration.sites.aws import AwsSite
from vdc.errors import NodeError
from vdc.plan import Site
from vdc.plan.tags import DATACENTER, STACK, ours
from vdc.provider.drivers.aws.cloud import Aws, AwsError, shared
from vdc.provider.drivers.aws.sorts import GROUP, PREFIXES, PROFILE, ROLE, SORTS, last
from vdc.provider.drivers.backend import Thing

_IN_A_FILTER = 200
_BEGINNING = "vdc-"
"""Of every name that a site gives: IAM cannot be asked by tag."""

# By sort: who lists them, under which key, their id, and which are none that stand by themselves.
_STANDING = {
    "instance": ("describe_instances", "Reservations", ("pending", "running", "stopped")),
    "volume": ("describe_volumes", "Volumes", ("available", "error")),
    "network-interface": ("describe_network_interfaces", "NetworkInterfaces", ("available",)),
    "nat-gateway": ("describe_nat_gateways", "NatGateways", ("pending", "available", "failed")),
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
    marked = [{"Name": "key", "Values": [DATACENTER]}, {"Name": "value", "Values": [datacenter]}]
    sorts: dict[str, set[str]] = defaultdict(set)
    for tag in aws.pages("ec2", "describe_tags", "Tags", Filters=marked):
        identity = tag["ResourceId"]
        if sort := PREFIXES.get(identity.partition("-")[0]):
            sorts[sort].add(identity)
    for sort in sorted(sorts):
        ids = _alone(aws, sort, sorts[sort], {last(group.id) for group in groups})
        tags = _ec2_tags(aws, ids)
        for identity in ids:
            yield _thing(sort, identity, tags.get(identity, {}))


def _alone(aws: Aws, sort: str, ids: set[str], groups: set[str]) -> list[str]:
    """Those that are neither ending nor a part of something else."""
    if sort not in _STANDING:
        return sorted(ids)
    operation, key, states = _STANDING[sort]
    marked = [{"Name": "tag-key", "Values": [DATACENTER]}]
    standing = set()
    for one in aws.pages("ec2", operation, key, **{_filters(sort): marked}):
        for raw in one.get("Instances", [one]):
            identity, state = _identity(sort, raw)
            group = _mapping(raw.get("Tags", ())).get("aws:autoscaling:groupName")
            if state in states and group not in groups:
                standing.add(identity)
    return sorted(ids & standing)


def _filters(sort: str) -> str:
    return "Filter" if sort == "nat-gateway" else "Filters"


def _identity(sort: str, raw: Mapping[str, Any]) -> tuple[str, str]:
    """A thing's id and how it is, which EC2 calls by several names."""
    identity = raw["".join(word.capitalize() for word in sort.split("-")) + "Id"]
    state = raw.get("State") or raw.get("Status") or ""
    return identity, state["Name"] if isinstance(state, Mapping) else state


def _of_iam(aws: Aws) -> Iterator[Thing]:
    """Roles and instance profiles; a list has no tags, so each of our names is asked for them."""
    for role in aws.pages("iam", "list_roles", "Roles"):
        if role["RoleName"].startswith(_BEGINNING):
            yield _thing(ROLE, role["Arn"], _role_tags(aws, role["Arn"]))
    for profile in aws.pages("iam", "list_instance_profiles", "InstanceProfiles"):
        if profile["InstanceProfileName"].startswith(_BEGINNING):
            yield _thing(PROFILE, profile["Arn"], _profile_tags(aws, profile["Arn"]))


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
    return asked(aws, thing.id) if asked else _ec2_tags(aws, [thing.id]).get(thing.id)


def _ec2_tags(aws: Aws, ids: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    tags: dict[str, dict[str, str]] = defaultdict(dict)
    for at in range(0, len(ids), _IN_A_FILTER):
        some = [{"Name": "resource-id", "Values": list(ids[at : at + _IN_A_FILTER])}]
        for tag in aws.pages("ec2", "describe_tags", "Tags", Filters=some):
            tags[tag["ResourceId"]][tag["Key"]] = tag["Value"]
    return tags


def _mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _thing(sort: str, identity: str, tags: Mapping[str, str]) -> Thing:
    name = tags.get("Name") or last(identity)
    return Thing(sort, identity, name, tags, frozenset(), SORTS[sort].rank)
