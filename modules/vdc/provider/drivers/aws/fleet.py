"""An Auto Scaling group as a fleet: it makes instances and replaces dead ones, and we say the rest.

Its instances are protected from its own scale-in, so that no change of the desired size ends one
by the group's choice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from vdc.errors import NodeError
from vdc.plan.tags import TEMPLATE
from vdc.provider.console import legible, quoted, stage
from vdc.provider.drivers.aws.cloud import Aws, AwsError
from vdc.provider.drivers.aws.machines import (
    GONE,
    MEMBER,
    RUNNING,
    machines,
    mark,
    not_gone,
    tags_of,
)
from vdc.provider.drivers.fleet import Instance

_ENDING_HOOK = "autoscaling:EC2_INSTANCE_TERMINATING"
_WAITS_NO_MORE = "ValidationError"
_LEAVES = "Terminating"
# EC2 takes 200 values in a filter; the group's API is throttled at a few calls a second.
_AT_ONCE = 8
_IN_A_FILTER = 200


@dataclass(frozen=True)
class Patience:
    """How long the cloud gets, in seconds.

    Attributes:
        ask_again_s: Between two looks at what becomes of a request.
        grow_s: Without another instance, until growing has failed.
        after_failure_s: Likewise once the group has said that it could not start one.
        end_s: For an instance to be gone.
    """

    ask_again_s: float = 2
    grow_s: float = 600
    after_failure_s: float = 60
    end_s: float = 900


class AwsFleet:
    """See :class:`~vdc.provider.drivers.fleet.Fleet`.

    Args:
        aws: The account and region.
        name: The Auto Scaling group's.
        patience: How long the cloud gets.
    """

    def __init__(self, aws: Aws, name: str, patience: Patience | None = None) -> None:
        self._aws = aws
        self._name = name
        self._patience = patience or Patience()

    async def instances(self) -> Sequence[Instance]:
        """See :class:`~vdc.provider.drivers.fleet.Fleet`."""
        return await self._aws.ask(self._instances)

    async def grow(self, count: int) -> None:
        """See :class:`~vdc.provider.drivers.fleet.Fleet`."""
        group = await self._aws.ask(self._group)
        if group is None:
            raise NodeError(f"there is no Auto Scaling group {self._name} in {self._aws.region}")
        if count > group["MaxSize"]:
            raise NodeError(f"Auto Scaling group {self._name} takes {group['MaxSize']} at most")
        known = {activity["ActivityId"] for activity in await self._aws.ask(self._activities)}
        try:
            await self._aws.ask(lambda aws: self._desire(aws, count))
            await self._until(count, known)
        except NodeError:
            with contextlib.suppress(NodeError):  # the first failure is the one to be told
                await self._take_back()
            raise

    async def end(self, ids: frozenset[str]) -> None:
        """See :class:`~vdc.provider.drivers.fleet.Fleet`."""
        left = await self._aws.ask(lambda aws: self._left(aws, ids))
        refused = await self._terminate([i for i, state in left.items() if state in RUNNING])
        deadline = _now() + self._patience.end_s
        while left := await self._aws.ask(lambda aws: self._left(aws, ids)):
            # Whose end was refused and who is not ending all the same will never be gone.
            stands = any(left.get(identity) in RUNNING for identity in refused)
            if stands or _now() > deadline:
                break
            await self._aws.ask(lambda aws: self._let_go(aws, left))
            await asyncio.sleep(self._patience.ask_again_s)
        await self._take_back()
        if left:
            raise NodeError("; ".join(_still_there(left, refused)))

    async def mark(self, tags: Mapping[str, str]) -> None:
        """See :class:`~vdc.provider.drivers.fleet.Fleet`."""
        await self._aws.ask(lambda aws: mark(aws, self._machines(aws), tags))

    async def explain(self, identity: str) -> str:
        """See :class:`~vdc.provider.drivers.fleet.Fleet`."""
        try:
            return await self._aws.ask(lambda aws: _explained(aws, identity))
        except NodeError:
            return ""

    # --- growing -----------------------------------------------------------------

    async def _until(self, count: int, known: Collection[str]) -> None:
        """Returns when there are as many; the deadline moves with each that comes."""
        most, since = -1, _now()
        while True:
            there = sum(i.state != "ending" for i in await self.instances())
            if there >= count:
                return
            if there > most:
                most, since = there, _now()
            reasons = [
                activity.get("StatusMessage", "")
                for activity in await self._aws.ask(self._activities)
                if activity["ActivityId"] not in known
                and activity["StatusCode"] in ("Failed", "Cancelled")
            ]
            patience = self._patience.after_failure_s if reasons else self._patience.grow_s
            if _now() - since > patience:
                why = " ".join(reasons[0].split()) if reasons else "and AWS does not say why"
                raise NodeError(f"there are {there} after {patience:.0f} s: {why}")
            await asyncio.sleep(self._patience.ask_again_s)

    async def _take_back(self) -> None:
        """Makes the desired size what there is: nobody waits for the rest any more.

        Also after an answer that was lost, and a request repeated that had been carried out.
        """
        there = sum(i.state != "ending" for i in await self.instances())
        group = await self._aws.ask(self._group)
        if group is not None and group["DesiredCapacity"] != there:
            await self._aws.ask(lambda aws: self._desire(aws, there))

    def _desire(self, aws: Aws, count: int) -> None:
        aws.client("autoscaling").set_desired_capacity(
            AutoScalingGroupName=self._name, DesiredCapacity=count, HonorCooldown=False
        )

    # --- ending ------------------------------------------------------------------

    async def _terminate(self, ids: Collection[str]) -> Mapping[str, str]:
        """Asks for each one's end; for those where that was refused, in which words."""
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(identity: str) -> str:
            async with room:
                return await self._aws.ask(lambda aws: _terminate(aws, identity))

        async with asyncio.TaskGroup() as group:
            tasks = {identity: group.create_task(one(identity)) for identity in ids}
        return {identity: text for identity, task in tasks.items() if (text := task.result())}

    def _left(self, aws: Aws, ids: Iterable[str]) -> dict[str, str]:
        """Those of these that are not gone, with AWS's word for how they are."""
        phases = _phases(self._group(aws))
        chosen = sorted(ids)
        parts = [chosen[at : at + _IN_A_FILTER] for at in range(0, len(chosen), _IN_A_FILTER)]
        states = {
            raw["InstanceId"]: raw["State"]["Name"]
            for part in parts
            for raw in machines(aws, {"instance-id": part})
        }
        return {
            identity: phases[identity] if phases.get(identity, "").startswith(_LEAVES) else state
            for identity, state in states.items()
            if state != GONE
        }

    def _let_go(self, aws: Aws, left: Mapping[str, str]) -> None:
        """Says for drained instances that nobody has to wait for them, where a hook does."""
        waiting = [identity for identity, state in left.items() if state == "Terminating:Wait"]
        if not waiting:
            return
        client = aws.client("autoscaling")
        hooks = client.describe_lifecycle_hooks(AutoScalingGroupName=self._name)["LifecycleHooks"]
        for hook in (h for h in hooks if h["LifecycleTransition"] == _ENDING_HOOK):
            for identity in waiting:
                self._complete(aws, hook["LifecycleHookName"], identity)

    def _complete(self, aws: Aws, hook: str, identity: str) -> None:
        """Gives the word that a hook waits for; an instance may have given it itself by now."""
        try:
            with aws.named():
                aws.client("autoscaling").complete_lifecycle_action(
                    AutoScalingGroupName=self._name,
                    LifecycleHookName=hook,
                    InstanceId=identity,
                    LifecycleActionResult="CONTINUE",
                )
        except AwsError as error:
            if error.code != _WAITS_NO_MORE:
                raise

    # --- what there is -----------------------------------------------------------

    def _group(self, aws: Aws) -> Mapping[str, Any] | None:
        names = {"AutoScalingGroupNames": [self._name]}
        pages = aws.pages(
            "autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", **names
        )
        return next(pages, None)

    def _activities(self, aws: Aws) -> list[Mapping[str, Any]]:
        """The newest of what the group has done, in no more than one page."""
        client = aws.client("autoscaling")
        answer = client.describe_scaling_activities(AutoScalingGroupName=self._name, MaxRecords=50)
        return list(answer["Activities"])

    def _instances(self, aws: Aws) -> list[Instance]:
        phases = _phases(self._group(aws))
        return [_instance(raw, phases) for raw in self._machines(aws)]

    def _machines(self, aws: Aws) -> list[Mapping[str, Any]]:
        """Those of the group that are not gone."""
        return not_gone(aws, {f"tag:{MEMBER}": [self._name]})


def _terminate(aws: Aws, identity: str) -> str:
    """Asks for an instance's end; returns the refusal, which may be that it is ending already."""
    try:
        with aws.named():
            aws.client("autoscaling").terminate_instance_in_auto_scaling_group(
                InstanceId=identity, ShouldDecrementDesiredCapacity=True
            )
    except AwsError as error:
        return str(error)
    return ""


def _phases(group: Mapping[str, Any] | None) -> Mapping[str, str]:
    """How the group says that each of its instances is."""
    instances = group["Instances"] if group else ()
    return {i["InstanceId"]: i["LifecycleState"] for i in instances}


def _instance(raw: Mapping[str, Any], phases: Mapping[str, str]) -> Instance:
    return Instance(
        id=raw["InstanceId"],
        state=_state(raw["State"]["Name"], phases.get(raw["InstanceId"], "")),
        template=tags_of(raw).get(TEMPLATE, ""),
        address=raw.get("PrivateIpAddress", ""),
        zone=raw.get("Placement", {}).get("AvailabilityZone", ""),
        age_s=max(0, int((datetime.now(UTC) - raw["LaunchTime"]).total_seconds())),
        spot=raw.get("InstanceLifecycle") == "spot",
    )


def _state(machine: str, phase: str) -> Literal["pending", "running", "ending"]:
    """Of an instance by itself, and in its group: a stopped one is one that the group replaces."""
    if machine not in RUNNING or phase.startswith(_LEAVES):
        return "ending"
    return "pending" if machine == "pending" else "running"


def _still_there(left: Mapping[str, str], refused: Mapping[str, str]) -> Iterator[str]:
    for identity, state in sorted(left.items()):
        why = f": {refused[identity]}" if identity in refused else ""
        yield f"instance {identity} is still {state}{why}"


def _explained(aws: Aws, identity: str) -> str:
    raw = next(machines(aws, {"instance-id": [identity]}), None)
    if raw is None:
        return f"there is no instance {identity} any more"
    state = raw["State"]["Name"]
    if state not in RUNNING:
        return f"instance {identity} is {state}: {raw.get('StateReason', {}).get('Message', '')}"
    said = ""
    with contextlib.suppress(AwsError), aws.named():  # not every type has one
        said = aws.client("ec2").get_console_output(InstanceId=identity).get("Output", "")
    text = legible(said.encode("ascii", errors="replace"))
    running = state == "running"
    address = raw.get("PrivateIpAddress", "")
    return stage(running=running, address=address, console=text) + quoted(text)


def _now() -> float:
    return asyncio.get_running_loop().time()
