"""Auto Scaling groups, their hooks and tags."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from labs.standin.aws import shapes
from labs.standin.aws.api import Api, gone
from labs.standin.aws.kind import AwsType
from labs.standin.carried import Values
from labs.standin.checking import Problem

_NAMES = {
    "name": "AutoScalingGroupName",
    "id": "LaunchTemplateId",  # of a launch template
    "protectFromScaleIn": "NewInstancesProtectedFromScaleIn",
}
_HOOK_NAMES = {"name": "LifecycleHookName", "notificationTargetArn": "NotificationTargetARN"}


class Group(AwsType):
    """``aws.autoscaling.Group``; made with its hooks before its first instance."""

    token = "aws:autoscaling/group:Group"
    asks = ("autoscaling", "CreateAutoScalingGroup")
    names = _NAMES
    also = frozenset(
        {
            *("tags", "vpcZoneIdentifiers", "initialLifecycleHooks", "suspendedProcesses"),
            *("enabledMetrics", "metricsGranularity", "forceDelete", "waitForCapacityTimeout"),
            *("ignoreFailedScalingActivities",),
        }
    )
    named = "name"
    makes = "Auto Scaling group"

    def replacing(self, changed: frozenset[str], new: Values) -> frozenset[str]:
        return changed & {"name", "namePrefix", "initialLifecycleHooks", "region"}

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        least, most = inputs.get("minSize"), inputs.get("maxSize")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Problem("minSize", f"is {least}, more than maxSize, {most}")
        ways = ("launchTemplate", "mixedInstancesPolicy", "launchConfiguration")
        if sum(name in inputs for name in ways) != 1:
            yield Problem("", f"needs exactly one of {', '.join(ways)}")
        if not inputs.get("vpcZoneIdentifiers") and not inputs.get("availabilityZones"):
            yield Problem("vpcZoneIdentifiers", "is missing, and so are availabilityZones")
        hook = shapes.service("autoscaling").shape_for("LifecycleHookSpecification")
        for index, entry in enumerate(inputs.get("initialLifecycleHooks") or ()):
            path = f"initialLifecycleHooks[{index}]"
            yield from shapes.problems(hook, entry, _HOOK_NAMES, path)
            yield from _transition(entry, path)

    def create(self, api: Api, inputs: Values) -> str:
        nothing = {"MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
        hooked = nothing if inputs.get("initialLifecycleHooks") else {}
        asked = {**self._asked(inputs), **hooked, "Tags": self._tags(api, inputs)}
        api.autoscaling.create_auto_scaling_group(**asked)
        return str(inputs["name"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        shape = shapes.service("autoscaling").shape_for("LifecycleHookSpecification")
        hooks = inputs.get("initialLifecycleHooks") or ()
        for hook in hooks:
            asked = shapes.request(shape, hook, _HOOK_NAMES)
            api.autoscaling.put_lifecycle_hook(AutoScalingGroupName=key, **asked)
        if hooks:
            sizes = {n: inputs[n] for n in ("minSize", "maxSize", "desiredCapacity") if n in inputs}
            api.autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=key, **self.request(sizes)
            )
        self._wait_for_capacity(api, key, inputs)
        self._processes(api, key, inputs, {})
        if inputs.get("enabledMetrics"):
            api.autoscaling.enable_metrics_collection(
                AutoScalingGroupName=key,
                Metrics=inputs["enabledMetrics"],
                Granularity=inputs.get("metricsGranularity", "1Minute"),
            )

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        group = _group(api, key)
        if group is None:
            return None
        shape = shapes.service("autoscaling").shape_for("AutoScalingGroup")
        asked = {n: v for n, v in old.items() if n not in self.also}
        zones = (group.get("VPCZoneIdentifier") or "").split(",")
        return {
            **shapes.properties(shape, group, asked, self.names),
            "arn": group["AutoScalingGroupARN"],
            "name": key,
            "minSize": group["MinSize"],
            "maxSize": group["MaxSize"],
            "desiredCapacity": group["DesiredCapacity"],
            "availabilityZones": group["AvailabilityZones"],
            "vpcZoneIdentifiers": [zone for zone in zones if zone],
            "healthCheckType": group["HealthCheckType"],
            "defaultCooldown": group["DefaultCooldown"],
            "suspendedProcesses": [p["ProcessName"] for p in group.get("SuspendedProcesses", ())],
            "tags": [
                {"key": t["Key"], "value": t["Value"], "propagateAtLaunch": t["PropagateAtLaunch"]}
                for t in group.get("Tags", ())
                if api.default_tags.get(t["Key"]) != t["Value"]
            ],
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if changed - self.also or "vpcZoneIdentifiers" in changed:
            asked = {n: v for n, v in new.items() if n in changed}
            api.autoscaling.update_auto_scaling_group(
                **{**self._asked(asked), "AutoScalingGroupName": key}
            )
        if "tags" in changed:
            self._retag(api, key, new, old)
        if "suspendedProcesses" in changed:
            self._processes(api, key, new, old)
        if changed & {"minSize", "desiredCapacity"}:
            self._wait_for_capacity(api, key, new)

    def delete(self, api: Api, key: str, old: Values) -> None:
        group = _group(api, key)
        if group is None:
            return
        if not old.get("forceDelete"):
            api.autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=key, MinSize=0, MaxSize=0, DesiredCapacity=0
            )
            left = f"the instances of {key} to end"
            api.wait(lambda: not (_group(api, key) or {}).get("Instances"), left)
        gone(
            lambda: api.autoscaling.delete_auto_scaling_group(
                AutoScalingGroupName=key, ForceDelete=bool(old.get("forceDelete"))
            )
        )

    def _asked(self, inputs: Values) -> dict[str, Any]:
        made = self.request(inputs)
        if zones := inputs.get("vpcZoneIdentifiers"):
            made["VPCZoneIdentifier"] = ",".join(zones)
        return made

    @staticmethod
    def _tags(api: Api, inputs: Values) -> list[dict[str, Any]]:
        declared = {t["key"]: (t["value"], t["propagateAtLaunch"]) for t in inputs.get("tags", ())}
        default = {key: (value, True) for key, value in api.default_tags.items()}
        return [
            {"Key": key, "Value": value, "PropagateAtLaunch": passed}
            for key, (value, passed) in {**default, **declared}.items()
        ]

    def _retag(self, api: Api, key: str, new: Values, old: Values) -> None:
        own = {"ResourceId": key, "ResourceType": "auto-scaling-group"}
        tags = [{**own, **tag} for tag in self._tags(api, new)]
        kept = {tag["Key"] for tag in tags}
        left = [{**own, "Key": t["key"]} for t in old.get("tags") or () if t["key"] not in kept]
        if left:
            api.autoscaling.delete_tags(Tags=left)
        if tags:
            api.autoscaling.create_or_update_tags(Tags=tags)

    @staticmethod
    def _processes(api: Api, key: str, new: Values, old: Values) -> None:
        wanted, had = (set(v.get("suspendedProcesses") or ()) for v in (new, old))
        for call, some in (
            (api.autoscaling.suspend_processes, wanted - had),
            (api.autoscaling.resume_processes, had - wanted),
        ):
            if some:
                call(AutoScalingGroupName=key, ScalingProcesses=sorted(some))

    @staticmethod
    def _wait_for_capacity(api: Api, key: str, inputs: Values) -> None:
        wanted = inputs.get("desiredCapacity") or inputs.get("minSize") or 0
        if inputs.get("waitForCapacityTimeout") in ("0", "0s") or not wanted:
            return

        def there() -> bool:
            instances = (_group(api, key) or {}).get("Instances", ())
            states = [i["LifecycleState"] for i in instances if i["HealthStatus"] == "Healthy"]
            return states.count("InService") >= wanted

        api.wait(there, f"{key} to have {wanted} instances in service")


class LifecycleHook(AwsType):
    """``aws.autoscaling.LifecycleHook``."""

    token = "aws:autoscaling/lifecycleHook:LifecycleHook"
    asks = ("autoscaling", "PutLifecycleHook")
    names = _HOOK_NAMES
    in_place = frozenset(
        {
            *("defaultResult", "heartbeatTimeout", "lifecycleTransition", "notificationMetadata"),
            *("notificationTargetArn", "roleArn"),
        }
    )
    named = "name"
    refers: ClassVar = {"autoscalingGroupName": "Auto Scaling group"}

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        yield from _transition(inputs, "")

    def create(self, api: Api, inputs: Values) -> str:
        api.autoscaling.put_lifecycle_hook(**self.request(inputs))
        return str(inputs["name"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        group = old["autoscalingGroupName"]
        if _group(api, group) is None:
            return None
        hooks = api.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=group)
        shape = shapes.service("autoscaling").shape_for("LifecycleHook")
        for hook in hooks["LifecycleHooks"]:
            if hook["LifecycleHookName"] == key:
                known = {n: v for n, v in old.items() if not n.startswith("__")}
                return dict(shapes.properties(shape, hook, known, self.names))
        return None

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        api.autoscaling.put_lifecycle_hook(**self.request(new))

    def delete(self, api: Api, key: str, old: Values) -> None:
        group = old["autoscalingGroupName"]
        if _group(api, group) is not None:
            gone(
                lambda: api.autoscaling.delete_lifecycle_hook(
                    AutoScalingGroupName=group, LifecycleHookName=key
                )
            )


class Tag(AwsType):
    """``aws.autoscaling.Tag``: one tag of a group that is not ours."""

    token = "aws:autoscaling/tag:Tag"
    asks = ("autoscaling", "CreateOrUpdateTags")
    also = frozenset({"autoscalingGroupName", "tag"})
    in_place = frozenset({"tag"})
    refers: ClassVar = {"autoscalingGroupName": "Auto Scaling group"}

    def create(self, api: Api, inputs: Values) -> str:
        self.update(api, "", inputs, inputs, frozenset())
        return f"{inputs['autoscalingGroupName']},{inputs['tag']['key']}"

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        group, _, name = key.partition(",")
        for tag in (_group(api, group) or {}).get("Tags", ()):
            if tag["Key"] == name:
                passed = tag["PropagateAtLaunch"]
                return {"tag": {"key": name, "value": tag["Value"], "propagateAtLaunch": passed}}
        return None

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        api.autoscaling.create_or_update_tags(Tags=[self._tag(new)])

    def delete(self, api: Api, key: str, old: Values) -> None:
        api.autoscaling.delete_tags(Tags=[self._tag(old)])

    @staticmethod
    def _tag(inputs: Values) -> dict[str, Any]:
        tag = inputs["tag"]
        return {
            "ResourceId": inputs["autoscalingGroupName"],
            "ResourceType": "auto-scaling-group",
            "Key": tag["key"],
            "Value": tag["value"],
            "PropagateAtLaunch": tag["propagateAtLaunch"],
        }


def _group(api: Api, key: str) -> Any:
    answer = api.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[key])
    return next(iter(answer["AutoScalingGroups"]), None)


def _transition(hook: Values, path: str) -> Iterable[Problem]:
    # AWS publishes these two in prose only.
    ways = [f"autoscaling:EC2_INSTANCE_{way}" for way in ("LAUNCHING", "TERMINATING")]
    value, at = hook.get("lifecycleTransition"), f"{path}." if path else ""
    if isinstance(value, str) and value not in ways:
        yield Problem(f"{at}lifecycleTransition", f"{value!r} is not one of {', '.join(ways)}")
    result = hook.get("defaultResult")
    if isinstance(result, str) and result not in ("CONTINUE", "ABANDON"):
        yield Problem(f"{at}defaultResult", f"{result!r} is not one of CONTINUE, ABANDON")
