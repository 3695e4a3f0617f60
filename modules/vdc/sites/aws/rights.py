"""What the machines of a group may do at AWS: nothing but say that they have drained."""

from __future__ import annotations

import json

import pulumi
from pulumi_aws import iam

from vdc.plan.naming import fitted
from vdc.sites.aws.marks import Marks
from vdc.sites.doors import once_all_are_there

_LONGEST_NAME = 64
_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}


def instance_profile(account: str, region: str, fleet: str, marks: Marks) -> pulumi.Output[str]:
    """ARN of what hands the right to the machines of one group; known once the right is there.

    Args:
        account: The account.
        region: The region.
        fleet: The Auto Scaling group's name.
        marks: What the group's resources are called.
    """
    name = fitted(fleet, _LONGEST_NAME)
    role = iam.Role(
        marks.label,
        name=name,
        description=f"Machines of group {marks.label}, made by vdc",
        assume_role_policy=json.dumps(_statement("sts:AssumeRole", principal="ec2.amazonaws.com")),
        tags=marks.tags,
        opts=marks.opts,
    )
    group = f"autoScalingGroup:*:autoScalingGroupName/{fleet}"
    resource = f"arn:{_partition(region)}:autoscaling:{region}:{account}:{group}"
    right = iam.RolePolicy(
        marks.label,
        role=role.name,
        name="drained",
        policy=json.dumps(_statement("autoscaling:CompleteLifecycleAction", resource=resource)),
        opts=marks.opts,
    )
    profile = iam.InstanceProfile(
        marks.label, name=name, role=role.name, tags=marks.tags, opts=marks.opts
    )
    return once_all_are_there(profile.arn, right.id)


def _statement(action: str, *, principal: str = "", resource: str = "") -> dict[str, object]:
    whom = {"Principal": {"Service": principal}} if principal else {"Resource": resource}
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, **whom}],
    }


def _partition(region: str) -> str:
    """China's and the government's regions are worlds of their own, and their ARNs say so."""
    for prefix, partition in _PARTITIONS.items():
        if region.startswith(f"{prefix}-"):
            return partition
    return "aws"
