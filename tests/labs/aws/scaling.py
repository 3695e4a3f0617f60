"""Auto Scaling as its documentation has it, where moto's is simpler.

In moto a group is what was wished for at once, all of it in the first subnet, and lifecycle hooks,
suspended processes, the market and attributes of types mean nothing. Here a wish is noted, a clock
moves the group towards it, and what does not go well is an activity that failed and is tried again.
"""

from __future__ import annotations

import math
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling import autoscaling_backends
from moto.autoscaling.exceptions import ValidationError
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.utils import parse_user_data

from labs.aws import machines
from labs.aws.settings import ACCOUNT, REGION
from labs.aws.wishes import Wishes
from labs.cloud_faults import next_for

_RETRY_S = 3.0
_ENDING = "autoscaling:EC2_INSTANCE_TERMINATING"
_NO_CAPACITY = (
    "We currently do not have sufficient {} capacity in the Availability Zone you requested ({}). "
    "Our system will be working on provisioning additional capacity."
)


def groups() -> list[Any]:
    """Every group of the region."""
    return list(autoscaling_backends[ACCOUNT][REGION].autoscaling_groups.values())


class Group:
    """One look at a group of moto's, and what follows from it."""

    def __init__(self, group: Any, wishes: Wishes) -> None:
        self._it, self._wishes = group, wishes

    @property
    def activities(self) -> list[dict[str, Any]]:
        """What was tried, the oldest first."""
        kept: list[dict[str, Any]] = self._it.__dict__.setdefault("lab_activities", [])
        return kept

    def step(self) -> None:
        """One step towards what is wished for."""
        for member in list(self._it.instance_states):
            self._look_at(member)
        if getattr(self._it, "lab_deleted", False):
            if not self._it.instance_states:
                autoscaling_backends[ACCOUNT][REGION].autoscaling_groups.pop(self._it.name)
            return
        live = [it for it in self._it.instance_states if _counts(it)]
        wanted = self._it.desired_capacity or 0
        if len(live) > wanted and self._does("Terminate"):
            for member in self._surplus(live, len(live) - wanted):
                self.begin_end(member)
        rests = time.time() < getattr(self._it, "lab_retry_at", 0.0)
        if len(live) < wanted and self._does("Launch") and not rests:
            self._launch(live)

    def begin_end(self, member: Any, hooks: bool = True) -> None:
        """The machine is to go; with a hook it waits for a word."""
        hook = self._hook() if hooks and member.instance.state not in machines.GONE else None
        member.lifecycle_state = "Terminating:Wait" if hook else "Terminating:Proceed"
        if hook:
            member.lab_until = time.time() + hook.heartbeat_timeout
        self._begin("Terminating", member.instance.id, member)

    # --- inner ----------------------------------------------------------------------

    def _does(self, process: str) -> bool:
        return process not in {it["ProcessName"] for it in self._it.suspended_processes}

    def _hook(self) -> Any:
        known = autoscaling_backends[ACCOUNT][REGION].describe_lifecycle_hooks(self._it.name)
        return next((it for it in known if it.lifecycle_transition == _ENDING), None)

    def _look_at(self, member: Any) -> None:
        state = member.instance.state
        if member.lifecycle_state == "Pending" and state == "running":
            member.lifecycle_state = "InService"
            self._end("Successful", member.lab_activity)
        if member.lifecycle_state == "Terminating:Wait" and time.time() > member.lab_until:
            member.lifecycle_state = "Terminating:Proceed"
        if member.lifecycle_state == "Terminating:Proceed":
            if state not in machines.GONE:
                member.instance.ec2_backend.terminate_instances([member.instance.id])
            elif state == "terminated":
                self._it.instance_states.remove(member)
                self._end("Successful", member.lab_activity)
        if _counts(member) and state in machines.GONE and self._does("HealthCheck"):
            member.health_status = "Unhealthy"
        if (
            member.health_status == "Unhealthy"
            and _counts(member)
            and self._does("ReplaceUnhealthy")
        ):
            self.begin_end(member)

    def _surplus(self, live: list[Any], count: int) -> list[Any]:
        """The default policy: of the fullest zone, the oldest."""
        chosen: list[Any] = []
        left = [it for it in live if not it.protected_from_scale_in]
        while left and len(chosen) < count:
            zones = Counter(it.availability_zone for it in left)
            member = min(left, key=lambda it: (-zones[it.availability_zone], it.lab_number))
            left.remove(member)
            chosen.append(member)
        return chosen

    def _launch(self, live: list[Any]) -> None:
        """One machine; the others follow at the next steps."""
        version = self._it.ec2_launch_template.get_version(self._it.launch_template_version)
        subnet = self._subnet(live)
        fault = next_for(self._wishes.faults, f"LAUNCH {self._it.name}")
        activity = self._begin("Launching a new", "", None)
        try:
            kind = self._type(version)
            if fault is not None and fault.does == "fail":
                zone = subnet.availability_zone
                raise EC2ClientError(
                    "InsufficientInstanceCapacity", _NO_CAPACITY.format(kind, zone)
                )
            machine = self._run(version, kind, subnet.id, self._spot(live))
        except EC2ClientError as error:
            self._it.lab_retry_at = time.time() + _RETRY_S
            words = f"{error.message} Launching EC2 instance failed."
            self._end("Failed", activity, words)
            return
        if fault is not None and fault.does == "delay":
            machine.start_s = fault.seconds
        activity["Description"] += machine.id
        self._add(machine, version, activity)

    def _subnet(self, live: list[Any]) -> Any:
        """The one with the fewest."""
        used = Counter(it.instance.subnet_id for it in live)
        ids = self._it.vpc_zone_identifier.split(",")
        chosen = min(ids, key=lambda it: (used[it], ids.index(it)))
        return self._it.ec2_backend.get_subnet(chosen)

    def _type(self, version: Any) -> str:
        policy = (self._it.mixed_instances_policy or {}).get("LaunchTemplate", {})
        choices = [*(policy.get("Overrides") or []), version.data]
        if named := next((it["InstanceType"] for it in choices if it.get("InstanceType")), None):
            return str(named)
        images = self._it.ec2_backend.describe_images(ami_ids=[version.image_id])
        for choice in choices:
            wanted = choice.get("InstanceRequirements")
            if wanted and (found := machines.smallest(wanted, images[0].architecture)):
                return found
        raise EC2ClientError(
            "InvalidParameterValue",
            "No instance type satisfies the instance requirements or overrides of the group.",
        )

    def _spot(self, live: list[Any]) -> bool:
        """By the distribution: so many bought firmly, and so much of those above."""
        shares = (self._it.mixed_instances_policy or {}).get("InstancesDistribution")
        if shares is None:
            return False
        base = int(shares.get("OnDemandBaseCapacity") or 0)
        percent = shares.get("OnDemandPercentageAboveBaseCapacity")
        above = max(0, (self._it.desired_capacity or 0) - base)
        firm = base + math.ceil(above * int(100 if percent is None else percent) / 100)
        return sum(it.instance.lifecycle != "spot" for it in live) >= firm

    def _run(self, version: Any, kind: str, subnet: str, spot: bool) -> Any:
        data, backend = version.data, self._it.ec2_backend
        interface = (data.get("NetworkInterfaces") or [{}])[0]
        asked = data.get("InstanceMarketOptions") or {}
        market = {"MarketType": "spot"} if spot else asked
        profile = data.get("IamInstanceProfile") or {}
        volumes = data.get("BlockDeviceMappings")
        tags = _tags(data)
        made = backend.run_instances(
            version.image_id,
            1,
            # moto keeps that of a later version as plain text.
            parse_user_data(str(data["UserData"])) if data.get("UserData") else None,
            [],
            instance_type=kind,
            is_instance_type_default=False,
            region_name=REGION,
            subnet_id=subnet,
            security_group_ids=[*data.get("SecurityGroupIds", []), *interface.get("Groups", [])],
            associate_public_ip=str(interface.get("AssociatePublicIpAddress")).lower() == "true",
            tags={
                "instance": {
                    **self._it.get_propagated_tags(),
                    "aws:autoscaling:groupName": self._it.name,
                },
                "volume": tags.get("volume", {}),
            },
            launch_template={"LaunchTemplateId": version.template.id, "Version": version.number},
            instance_market_options=market,
            metadata_options=data.get("MetadataOptions") or {},
            **({"block_device_mappings": volumes} if volumes else {}),
        )
        (machine,) = made.instances
        for card in machine.nics.values():
            card.add_tags(tags.get("network-interface", {}))
        if profile:
            backend.associate_iam_instance_profile(
                instance_id=machine.id,
                iam_instance_profile_name=profile.get("Name"),
                iam_instance_profile_arn=profile.get("Arn"),
            )
        return machine

    def _add(self, machine: Any, version: Any, activity: dict[str, Any]) -> None:
        from moto.autoscaling.models import InstanceState

        machine.autoscaling_group = self._it
        safe = self._it.new_instances_protected_from_scale_in
        member = InstanceState(machine, "Pending", protected_from_scale_in=safe)
        member.lab_activity, member.lab_number = activity, len(self.activities)
        member.lab_template = {
            "LaunchTemplateId": version.template.id,
            "LaunchTemplateName": version.template.name,
            "Version": str(version.number),
        }
        self._it.instance_states.append(member)

    def _begin(self, what: str, machine: str, member: Any) -> dict[str, Any]:
        activity = {
            "ActivityId": str(uuid.uuid4()),
            "AutoScalingGroupName": self._it.name,
            "Description": f"{what} EC2 instance: {machine}",
            "Cause": f"At {datetime.now(UTC):%FT%TZ} the group was not as it is wished for.",
            "StartTime": datetime.now(UTC),
            "StatusCode": "InProgress",
            "Progress": 30,
        }
        self.activities.append(activity)
        if member is not None:
            member.lab_activity = activity
        return activity

    @staticmethod
    def _end(status: str, activity: dict[str, Any], words: str = "") -> None:
        activity.update(StatusCode=status, EndTime=datetime.now(UTC), Progress=100)
        if words:
            activity["StatusMessage"] = words


def find(group: str, machine: str) -> Any:
    """A member of a group.

    Raises:
        ValidationError: It is in none.
    """
    for it in groups():
        for member in it.instance_states:
            if member.instance.id == machine and group in ("", it.name):
                return member
    raise ValidationError(f"Instance Id not found - No managed instance found for {machine}")


def _tags(data: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What a template's version tags, by the kind of resource."""
    return {
        it["ResourceType"]: {tag["Key"]: tag["Value"] for tag in it.get("Tags", ())}
        for it in data.get("TagSpecifications", ())
    }


def _counts(member: Any) -> bool:
    return member.lifecycle_state in ("Pending", "InService")
