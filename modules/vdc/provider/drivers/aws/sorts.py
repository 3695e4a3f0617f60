"""The sorts of things that a site has in AWS: in which order they go, and how. Blocking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vdc.provider.drivers.aws.cloud import Aws
from vdc.provider.drivers.aws.machines import MEMBER, not_gone, tags_of

_IN_A_QUESTION = 100

GROUP = "auto-scaling-group"
ROLE = "role"
PROFILE = "instance-profile"


Ids = Sequence[str]


@dataclass(frozen=True)
class Sort:
    """One sort of things.

    Attributes:
        rank: Everything of a lower rank is gone before.
        remove: Asks for the end of one by its id.
        left: Which of these are still there, or ending; of most sorts none is when the call has
            come back.
    """

    rank: int
    remove: Callable[[Aws, str], None]
    left: Callable[[Aws, Ids], Iterable[str]] = lambda _aws, _ids: ()


def last(arn: str) -> str:
    """The name at an ARN's end."""
    return arn.rpartition("/")[2]


def _ec2(operation: str, argument: str) -> Callable[[Aws, str], None]:
    """The removal of a thing of EC2's by a call with its id."""

    def remove(aws: Aws, identity: str) -> None:
        getattr(aws.client("ec2"), operation)(**{argument: identity})

    return remove


def _some(ids: Ids) -> Iterator[Ids]:
    return (ids[at : at + _IN_A_QUESTION] for at in range(0, len(ids), _IN_A_QUESTION))


def _group(aws: Aws, arn: str) -> None:
    """With its instances, none of which is drained: no state knows them."""
    name = last(arn)
    aws.client("autoscaling").delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)
    if found := not_gone(aws, {f"tag:{MEMBER}": [name]}):
        ids = [raw["InstanceId"] for raw in found]
        aws.client("ec2").terminate_instances(InstanceIds=ids)


def _groups_left(aws: Aws, arns: Ids) -> Iterator[str]:
    """Those that are there themselves, or an instance of theirs is."""
    client = aws.client("autoscaling")
    for some in _some(arns):
        names = [last(arn) for arn in some]
        answer = client.describe_auto_scaling_groups(AutoScalingGroupNames=names)
        there = {group["AutoScalingGroupName"] for group in answer["AutoScalingGroups"]}
        there |= {tags_of(raw)[MEMBER] for raw in not_gone(aws, {f"tag:{MEMBER}": names})}
        yield from (arn for arn in some if last(arn) in there)


def _instance(aws: Aws, identity: str) -> None:
    aws.client("ec2").terminate_instances(InstanceIds=[identity])


def _instances_left(aws: Aws, ids: Ids) -> Iterator[str]:
    for some in _some(ids):
        yield from (raw["InstanceId"] for raw in not_gone(aws, {"instance-id": some}))


def _volumes_left(aws: Aws, ids: Ids) -> Iterator[str]:
    for some in _some(ids):
        chosen = [{"Name": "volume-id", "Values": list(some)}]
        pages = aws.pages("ec2", "describe_volumes", "Volumes", Filters=chosen)
        yield from (raw["VolumeId"] for raw in pages)


def _nats_left(aws: Aws, ids: Ids) -> Iterator[str]:
    for some in _some(ids):
        chosen = [{"Name": "nat-gateway-id", "Values": list(some)}]
        for raw in aws.pages("ec2", "describe_nat_gateways", "NatGateways", Filter=chosen):
            if raw["State"] != "deleted":
                yield raw["NatGatewayId"]


def _key(aws: Aws, identity: str) -> None:
    client = aws.client("ec2")
    pairs = client.describe_key_pairs()["KeyPairs"]
    for name in (pair["KeyName"] for pair in pairs if pair["KeyPairId"] == identity):
        client.delete_key_pair(KeyName=name)


def _gateway(aws: Aws, identity: str) -> None:
    client = aws.client("ec2")
    answer = client.describe_internet_gateways(InternetGatewayIds=[identity])
    for gateway in answer["InternetGateways"]:
        for attached in gateway["Attachments"]:
            client.detach_internet_gateway(InternetGatewayId=identity, VpcId=attached["VpcId"])
    client.delete_internet_gateway(InternetGatewayId=identity)


def _table(aws: Aws, identity: str) -> None:
    client = aws.client("ec2")
    for table in client.describe_route_tables(RouteTableIds=[identity])["RouteTables"]:
        for association in table["Associations"]:
            if not association.get("Main"):
                known = association["RouteTableAssociationId"]
                client.disassociate_route_table(AssociationId=known)
    client.delete_route_table(RouteTableId=identity)


def _profile(aws: Aws, arn: str) -> None:
    client, name = aws.client("iam"), last(arn)
    profile = client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    for role in profile["Roles"]:
        client.remove_role_from_instance_profile(
            InstanceProfileName=name, RoleName=role["RoleName"]
        )
    client.delete_instance_profile(InstanceProfileName=name)


def _role(aws: Aws, arn: str) -> None:
    client, name = aws.client("iam"), last(arn)
    for policy in aws.pages("iam", "list_role_policies", "PolicyNames", RoleName=name):
        client.delete_role_policy(RoleName=name, PolicyName=policy)
    client.delete_role(RoleName=name)


SORTS: Mapping[str, Sort] = {
    GROUP: Sort(0, _group, _groups_left),
    "instance": Sort(1, _instance, _instances_left),
    "launch-template": Sort(2, _ec2("delete_launch_template", "LaunchTemplateId")),
    "key-pair": Sort(2, _key),
    PROFILE: Sort(2, _profile),
    ROLE: Sort(3, _role),
    "volume": Sort(2, _ec2("delete_volume", "VolumeId"), _volumes_left),
    "network-interface": Sort(2, _ec2("delete_network_interface", "NetworkInterfaceId")),
    "nat-gateway": Sort(2, _ec2("delete_nat_gateway", "NatGatewayId"), _nats_left),
    "elastic-ip": Sort(3, _ec2("release_address", "AllocationId")),
    "security-group": Sort(3, _ec2("delete_security_group", "GroupId")),
    "subnet": Sort(4, _ec2("delete_subnet", "SubnetId")),
    "internet-gateway": Sort(4, _gateway),
    "route-table": Sort(5, _table),
    "vpc": Sort(6, _ec2("delete_vpc", "VpcId")),
}
