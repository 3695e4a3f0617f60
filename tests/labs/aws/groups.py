"""The calls of Auto Scaling, over :mod:`labs.aws.scaling`."""

from __future__ import annotations

import functools
import time
from typing import Any

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

from labs.aws.scaling import Group, find
from labs.aws.wishes import Wishes


def install(wishes: Wishes) -> None:
    """From now on moto's groups are like this."""
    _wish(FakeAutoScalingGroup)
    _update(FakeAutoScalingGroup)
    _hooks(AutoScalingResponse)
    _delete(AutoScalingResponse, wishes)
    _end(AutoScalingResponse, wishes)

    def activities(self: Any) -> ActionResult:
        name, known = self._get_param("AutoScalingGroupName"), self.autoscaling_backend
        shown = [
            activity
            for group in known.autoscaling_groups.values()
            if name in (None, group.name)
            for activity in reversed(Group(group, wishes).activities)
        ]
        return ActionResult({"Activities": shown[:100]})

    AutoScalingResponse.describe_scaling_activities = activities  # type: ignore[method-assign]
    # A machine that ends is found out by the health check.
    AutoScalingBackend.notify_terminate_instances = lambda *_: None  # type: ignore[method-assign]
    InstanceState.launch_template = property(lambda self: self.lab_template)  # type: ignore


def _wish(kind: Any) -> None:
    def note(self: Any, wanted: int | None) -> None:
        wanted = self.min_size if wanted is None else wanted
        if not self.min_size <= wanted <= self.max_size:
            bound = ("below min", self.min_size) if wanted < self.min_size else (
                "above max", self.max_size)  # fmt: skip
            raise ValidationError(
                f"New SetDesiredCapacity value {wanted} is {bound[0]} value {bound[1]} for the "
                "AutoScalingGroup."
            )
        self.desired_capacity = wanted

    kind.set_desired_capacity = note


def _update(kind: Any) -> None:
    update = kind.update

    @functools.wraps(update)
    def updated(self: Any, **given: Any) -> None:
        if given.get("desired_capacity") is None:
            least = self.min_size if given["min_size"] is None else given["min_size"]
            most = self.max_size if given["max_size"] is None else given["max_size"]
            given["desired_capacity"] = min(max(self.desired_capacity, least), most)
        before = self.mixed_instances_policy
        update(self, **given)
        if not given.get("launch_template") and not given.get("mixed_instances_policy"):
            self.mixed_instances_policy = before  # what is not named stays

    kind.update = updated


def _hooks(kind: Any) -> None:
    def waiting(self: Any) -> Any:
        group = self._get_param("AutoScalingGroupName")
        member = find(group, self._get_param("InstanceId"))
        hook = self.autoscaling_backend.lifecycle_hooks.get(
            f"{group}_{self._get_param('LifecycleHookName')}"
        )
        if hook is None or member.lifecycle_state != "Terminating:Wait":
            raise ValidationError(
                f"No active Lifecycle Action found with instance ID {member.instance.id}"
            )
        return member, hook

    def complete(self: Any) -> EmptyResult:
        waiting(self)[0].lifecycle_state = "Terminating:Proceed"
        return EmptyResult()

    def heartbeat(self: Any) -> EmptyResult:
        member, hook = waiting(self)
        member.lab_until = time.time() + hook.heartbeat_timeout
        return EmptyResult()

    kind.complete_lifecycle_action = complete
    kind.record_lifecycle_action_heartbeat = heartbeat


def _delete(kind: Any, wishes: Wishes) -> None:
    def delete(self: Any) -> EmptyResult:
        name = self._get_param("AutoScalingGroupName")
        group = self.autoscaling_backend.autoscaling_groups.get(name)
        if group is None:
            raise ValidationError(
                f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"
            )
        if group.instance_states and not self._get_bool_param("ForceDelete", False):
            raise AutoscalingClientError(
                "ResourceInUse",
                "You cannot delete an AutoScalingGroup while there are instances or pending Spot "
                "instance request(s) still in the group.",
            )
        group.lab_deleted, group.status = True, "Delete in progress"
        for member in group.instance_states:
            Group(group, wishes).begin_end(member, hooks=False)
        Group(group, wishes).step()
        return EmptyResult()

    kind.delete_auto_scaling_group = delete


def _end(kind: Any, wishes: Wishes) -> None:
    def end(self: Any) -> ActionResult:
        member = find("", self._get_param("InstanceId"))
        group = member.auto_scaling_group
        if not member.lifecycle_state.startswith("Terminating"):
            if self._get_bool_param("ShouldDecrementDesiredCapacity", False):
                if group.desired_capacity <= group.min_size:
                    raise ValidationError(
                        f"Currently, desiredSize equals minSize ({group.min_size}). Terminating "
                        "instance without replacement will violate group's min size constraint. "
                        "Either set shouldDecrementDesiredCapacity flag to false or lower group's "
                        "min size."
                    )
                group.desired_capacity -= 1
            Group(group, wishes).begin_end(member)
        return ActionResult({"Activity": member.lab_activity})

    kind.terminate_instance_in_auto_scaling_group = end
