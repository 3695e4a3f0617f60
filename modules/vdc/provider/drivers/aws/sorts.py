"""The sorts of things that a site has in AWS: in which order they go, and how. Blocking."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vdc.errors import NodeError
from vdc.provider.drivers.aws.cloud import Aws

_GONE_S = 900
_ASK_AGAIN_S = 2.0

GROUP = "auto-scaling-group"
ROLE = "role"
PROFILE = "instance-profile"


@dataclass(frozen=True)
class Sort:
    """One sort of things.

    Attributes:
        rank: Everything of a lower rank is gone before.
        remove: Removes one by its id, and returns when it is gone.
    """

    rank: int
    remove: Callable[[Aws, str], None]


def last(arn: str) -> str:
    """The name at an ARN's end."""
    return arn.rpartition("/")[2]


def _ec2(operation: str, argument: str) -> Callable[[Aws, str], None]:
    """The removal of a thing of EC2's that is gone when the call has come back."""

    def remove(aws: Aws, identity: str) -> None:
        getattr(aws.client("ec2"), operation)(**{argument: identity})

    return remove


def _until_gone(what: str, left: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _GONE_S
    while left():
        if time.monotonic() > deadline:
            raise NodeError(f"{what} is still there after {_GONE_S} s")
        time.sleep(_ASK_AGAIN_S)


def _left(aws: Aws, name: str, value: str) -> list[str]:
    """The instances of a filter that are not gone yet; gone ones are shown for a while."""
    chosen = [{"Name": name, "Values": [value]}]
    pages = aws.pages("ec2", "describe_instances", "Reservations", Filters=chosen)
    found = [raw for page in pages for raw in page["Instances"]]
    return [raw["InstanceId"] for raw in found if raw["State"]["Name"] != "terminated"]


def _group(aws: Aws, arn: str) -> None:
    """With its instances, none of which is drained: no state knows them."""
    client, name = aws.client("autoscaling"), last(arn)
    client.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)

    whose = ("tag:aws:autoscaling:groupName", name)
    if ids := _left(aws, *whose):
        aws.client("ec2").terminate_instances(InstanceIds=ids)

    def left() -> bool:
        found = client.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        return bool(found["AutoScalingGroups"] or _left(aws, *whose))

    _until_gone(f"Auto Scaling group {name}", left)


def _instance(aws: Aws, identity: str) -> None:
    aws.client("ec2").terminate_instances(InstanceIds=[identity])
    _until_gone(f"instance {identity}", lambda: bool(_left(aws, "instance-id", identity)))


def _volume(aws: Aws, identity: str) -> None:
    client = aws.client("ec2")
    client.delete_volume(VolumeId=identity)
    chosen = [{"Name": "volume-id", "Values": [identity]}]
    _until_gone(
        f"volume {identity}", lambda: bool(client.describe_volumes(Filters=chosen)["Volumes"])
    )


def _nat(aws: Aws, identity: str) -> None:
    client = aws.client("ec2")
    client.delete_nat_gateway(NatGatewayId=identity)

    def left() -> bool:
        chosen = [{"Name": "nat-gateway-id", "Values": [identity]}]
        found = client.describe_nat_gateways(Filter=chosen)["NatGateways"]
        return any(gateway["State"] != "deleted" for gateway in found)

    _until_gone(f"NAT gateway {identity}", left)


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
    GROUP: Sort(0, _group),
    "instance": Sort(1, _instance),
    "launch-template": Sort(2, _ec2("delete_launch_template", "LaunchTemplateId")),
    "key-pair": Sort(2, _key),
    PROFILE: Sort(2, _profile),
    ROLE: Sort(3, _role),
    "volume": Sort(2, _volume),
    "network-interface": Sort(2, _ec2("delete_network_interface", "NetworkInterfaceId")),
    "nat-gateway": Sort(2, _nat),
    "elastic-ip": Sort(3, _ec2("release_address", "AllocationId")),
    "security-group": Sort(3, _ec2("delete_security_group", "GroupId")),
    "subnet": Sort(4, _ec2("delete_subnet", "SubnetId")),
    "internet-gateway": Sort(4, _gateway),
    "route-table": Sort(5, _table),
    "vpc": Sort(6, _ec2("delete_vpc", "VpcId")),
}
