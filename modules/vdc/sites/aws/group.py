"""One group of a site in AWS: a launch template, and the Auto Scaling group that uses it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import autoscaling, ec2

from vdc.declaration.sites.aws import AwsGroup
from vdc.declaration.sites.aws.hook import hook_s
from vdc.plan import model as plan
from vdc.plan.naming import fitted
from vdc.plan.tags import TEMPLATE
from vdc.sites.aws.marks import Marks

HOOK = "vdc-drained"
"""What waits for a machine to say that its work has moved, before it is ended."""

_LONGEST_NAME = 128
_MIB_PER_GIB = 1024

# Each of these would end or move machines by itself, without a drain. A dead machine's
# replacement (HealthCheck, ReplaceUnhealthy) is left on: there is nothing on it to move.
_SUSPENDED = ["AZRebalance", "AlarmNotification", "InstanceRefresh", "ScheduledActions"]


@dataclass(frozen=True)
class Image:
    """What machines boot.

    Attributes:
        id: The AMI's.
        device: What it calls its disk.
    """

    id: pulumi.Input[str]
    device: pulumi.Input[str]


@dataclass(frozen=True)
class Machine:
    """What the machines of a group are made from.

    Attributes:
        image: What they boot.
        user_data: What they are told; secret.
        digest: Of what they are told, the group's secret apart.
        profile: ARN of the instance profile.
        security_group: Id.
        key_name: Of the key pair; None for nobody's.
        public: Whether they get a public address; None as their subnet has it.
        subnets: Where they are, by zone; another choice of zones is another template.
    """

    image: Image
    user_data: pulumi.Output[str]
    digest: pulumi.Output[str]
    profile: pulumi.Output[str]
    security_group: pulumi.Output[str]
    key_name: pulumi.Input[str] | None
    public: bool | None
    subnets: Mapping[str, pulumi.Input[str]]


@dataclass(frozen=True)
class Wanted:
    """What a group is to be.

    Attributes:
        group: As planned.
        declared: As declared.
        machine: What its machines are made from.
        name: What the Auto Scaling group is called.
        marks: What its other resources are called.
        ways: What is there before machines are, and goes after them.
    """

    group: plan.NodeGroup
    declared: AwsGroup
    machine: Machine
    name: str
    marks: Marks
    ways: Sequence[pulumi.Resource]


@dataclass(frozen=True)
class Fleet:
    """What has been made.

    Attributes:
        template: What changes when machines are to be replaced; every one carries it as a tag.
        parts: What must be there before the first machine is asked for.
    """

    template: pulumi.Output[str]
    parts: Sequence[pulumi.Resource]


def fleet(wanted: Wanted) -> Fleet:
    """Makes the group, without a machine: how many there are ``vdc:cloud:Members`` says."""
    machine, kinds, market = wanted.machine, _kinds(wanted), _distribution(wanted.declared)
    made_from = _made_from(wanted.group, machine)
    template = pulumi.Output.json_dumps(
        {
            **made_from,
            "told": machine.digest,
            "kinds": kinds,
            "market": market,
            "zones": sorted(machine.subnets),
        }
    ).apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
    launched = _launch_template(made_from, machine, template, wanted.marks)
    policy = {
        "launch_template": {
            "launch_template_specification": {
                "launch_template_id": launched.id,
                "version": launched.latest_version.apply(str),
            },
            "overrides": kinds,
        },
        "instances_distribution": market,
    }
    scaled = _scaled(wanted, policy)
    return Fleet(template, (scaled, _hook(wanted, scaled)))


def _scaled(wanted: Wanted, policy: Mapping[str, Any]) -> autoscaling.Group:
    marks, most = wanted.marks, wanted.group.most
    opts = pulumi.ResourceOptions(ignore_changes=["desiredCapacity"], depends_on=list(wanted.ways))
    return autoscaling.Group(
        marks.label,
        name=wanted.name,
        min_size=0,
        max_size=most + max(1, most // 10),
        vpc_zone_identifiers=list(wanted.machine.subnets.values()),
        mixed_instances_policy=policy,
        health_check_type="EC2",
        protect_from_scale_in=True,
        suspended_processes=_SUSPENDED,
        wait_for_capacity_timeout="0",
        tags=[
            {"key": key, "value": value, "propagate_at_launch": True}
            for key, value in marks.tags.items()
        ],
        opts=pulumi.ResourceOptions.merge(marks.opts, opts),
    )


def _hook(wanted: Wanted, scaled: autoscaling.Group) -> autoscaling.LifecycleHook:
    return autoscaling.LifecycleHook(
        wanted.marks.label,
        name=HOOK,
        autoscaling_group_name=scaled.name,
        lifecycle_transition="autoscaling:EC2_INSTANCE_TERMINATING",
        default_result="CONTINUE",
        heartbeat_timeout=hook_s(wanted.group.drain_deadline_s),
        opts=wanted.marks.opts,
    )


def _made_from(group: plan.NodeGroup, machine: Machine) -> dict[str, Any]:
    """The part of a launch template of which machines are made; another one replaces them."""
    interface: dict[str, Any] = {
        "device_index": 0,
        "security_groups": [machine.security_group],
        "delete_on_termination": "true",
    }
    if machine.public is not None:
        interface["associate_public_ip_address"] = str(machine.public).lower()
    # A launch template takes these two as texts, an instance as what they are.
    ebs = {k: str(v).lower() if isinstance(v, bool) else v for k, v in disk(group).items()}
    made: dict[str, Any] = {
        "image_id": machine.image.id,
        "iam_instance_profile": {"arn": machine.profile},
        "metadata_options": metadata(),
        "block_device_mappings": [{"device_name": machine.image.device, "ebs": ebs}],
        "network_interfaces": [interface],
    }
    return {**made, "key_name": machine.key_name} if machine.key_name is not None else made


def disk(group: plan.NodeGroup) -> dict[str, Any]:
    """A machine's disk, which goes with the machine."""
    return {
        "volume_size": -(-group.size.disk_mib // _MIB_PER_GIB),
        "volume_type": "gp3",
        "encrypted": True,
        "delete_on_termination": True,
    }


def metadata() -> dict[str, Any]:
    """How a machine asks about itself."""
    return {
        "http_endpoint": "enabled",
        "http_tokens": "required",
        # Work runs one hop further away than the machine, and so never gets an answer.
        "http_put_response_hop_limit": 1,
    }


def _launch_template(
    made_from: Mapping[str, Any], machine: Machine, template: pulumi.Output[str], marks: Marks
) -> ec2.LaunchTemplate:
    tags = {**marks.named, TEMPLATE: template}
    return ec2.LaunchTemplate(
        marks.label,
        name=fitted(marks.name, _LONGEST_NAME),
        description=f"Machines of group {marks.label}, made by vdc",
        user_data=machine.user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
        update_default_version=True,
        tag_specifications=[
            {"resource_type": kind, "tags": tags}
            for kind in ("instance", "volume", "network-interface")
        ],
        tags=marks.named,
        opts=marks.opts,
        **made_from,
    )


def _kinds(wanted: Wanted) -> list[dict[str, Any]]:
    """Which instance types there may be: the declared ones, or all that have the size."""
    size = wanted.group.size
    if wanted.declared.instance_types:
        return [{"instance_type": kind} for kind in wanted.declared.instance_types]
    return [
        {
            "instance_requirements": {
                "vcpu_count": {"min": size.cores},
                "memory_mib": {"min": size.memory_mib},
                "instance_generations": ["current"],
                "accelerator_count": {"max": 0},
            }
        }
    ]


def _distribution(declared: AwsGroup) -> dict[str, Any]:
    """How many are of the market, and by what AWS chooses among types."""
    return {
        "on_demand_base_capacity": declared.on_demand,
        "on_demand_percentage_above_base_capacity": 0 if declared.spot else 100,
        "on_demand_allocation_strategy": (
            "prioritized" if declared.instance_types else "lowest-price"
        ),
        "spot_allocation_strategy": "price-capacity-optimized",
    }
