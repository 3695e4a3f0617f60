"""How work fares on the scheduler: jobs, placements, deployments, and the reason of a failure.

Tolerant readers of Nomad's HTTP API (1.11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What happens to a task that explains its end, as Nomad names it.
_CAUSES = frozenset(
    {
        "Disk Resources Exceeded",
        "Driver Failure",
        "Failed Artifact Download",
        "Failed Validation",
        "Setup Failure",
        "Task hook failed",
        "Template",
        "Terminated",
    }
)
# What is said of every unhealthy instance: worth telling only when nothing explains it.
_SYMPTOM = "Alloc Unhealthy"


@dataclass(frozen=True)
class TaskState:
    """One task of a placement.

    Attributes:
        state: ``pending``, ``running`` or ``dead``.
        started: Whether it ever ran, so that there is output to read.
        exit_code: Of its last end; None before any.
        cause: The last thing that went wrong, one line; empty when nothing did.
    """

    name: str
    state: str
    failed: bool
    started: bool
    exit_code: int | None
    cause: str

    @classmethod
    def of(cls, name: str, raw: Mapping[str, Any]) -> TaskState:
        """Reads one entry of an allocation's ``TaskStates``."""
        exit_code: int | None = None
        cause = ""
        for event in raw.get("Events") or []:
            details = event.get("Details") or {}
            if event.get("Type") == "Terminated":
                exit_code = int(details.get("exit_code") or event.get("ExitCode") or 0)
                if exit_code == 0 and not int(details.get("signal") or 0):
                    continue
            if event.get("Type") in _CAUSES or (event.get("Type") == _SYMPTOM and not cause):
                cause = _explain(event, details)
        started = str(raw.get("StartedAt") or "")
        return cls(
            name=name,
            state=str(raw.get("State", "")),
            failed=bool(raw.get("Failed")),
            started=bool(started) and not started.startswith("0001-"),
            exit_code=exit_code,
            cause=cause,
        )


def _explain(event: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    if event.get("Type") == "Terminated":
        if details.get("oom_killed") == "true":
            return "out of memory"
        if signal := int(details.get("signal") or 0):
            return f"killed by signal {signal}"
        return f"exit code {details.get('exit_code') or event.get('ExitCode') or 0}"
    text = str(event.get("DisplayMessage") or event.get("Message") or event["Type"])
    return " ".join(text.split())


@dataclass(frozen=True)
class Placement:
    """One allocation of a job, with its tasks."""

    id: str
    name: str
    job: str
    job_version: int
    task_group: str
    node_name: str
    client_status: str
    desired_status: str
    description: str
    create_index: int
    modify_index: int
    tasks: tuple[TaskState, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing of it runs or will run."""
        return self.client_status in {"complete", "failed", "lost"}

    @property
    def cause(self) -> str:
        """Why it failed, one line, the guilty task named; empty when nothing went wrong."""
        for task in sorted(self.tasks, key=lambda task: not task.failed):
            if task.cause:
                return f"task {task.name}: {task.cause}"
        return " ".join(self.description.split())

    @property
    def guilty(self) -> TaskState | None:
        """The task that failed first in the order of blame."""
        blamed = [task for task in self.tasks if task.failed or task.cause]
        return min(blamed, key=lambda task: not task.failed, default=None)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Placement:
        """Reads an allocation of a list with task states, or of an Allocation event."""
        tasks = raw.get("TaskStates") or {}
        return cls(
            id=str(raw["ID"]),
            name=str(raw.get("Name", "")),
            job=str(raw.get("JobID", "")),
            job_version=int(raw.get("JobVersion") or 0),
            task_group=str(raw.get("TaskGroup", "")),
            node_name=str(raw.get("NodeName", "")),
            client_status=str(raw.get("ClientStatus", "")),
            desired_status=str(raw.get("DesiredStatus", "")),
            description=str(raw.get("ClientDescription") or raw.get("DesiredDescription") or ""),
            create_index=int(raw.get("CreateIndex") or 0),
            modify_index=int(raw.get("ModifyIndex") or 0),
            tasks=tuple(TaskState.of(name, tasks[name]) for name in sorted(tasks)),
        )


@dataclass(frozen=True)
class TaskGroup:
    """One task group of a job, with what one instance of it reserves."""

    name: str
    count: int
    tasks: tuple[str, ...]
    cpu_mhz: int
    memory_mib: int
    disk_mib: int

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> TaskGroup:
        """Reads a group of a job specification."""
        tasks = raw.get("Tasks") or []
        resources = [task.get("Resources") or {} for task in tasks]
        count = raw.get("Count")
        return cls(
            name=str(raw["Name"]),
            count=1 if count is None else int(count),
            tasks=tuple(str(task["Name"]) for task in tasks),
            cpu_mhz=sum(int(part.get("CPU") or 0) for part in resources),
            memory_mib=sum(int(part.get("MemoryMB") or 0) for part in resources),
            disk_mib=int((raw.get("EphemeralDisk") or {}).get("SizeMB") or 0),
        )


@dataclass(frozen=True)
class Job:
    """A registered job; ``meta`` in sorted pairs, ``submit_time`` in nanoseconds."""

    id: str
    namespace: str
    type: str
    status: str
    stopped: bool
    version: int
    meta: tuple[tuple[str, str], ...]
    groups: tuple[TaskGroup, ...]
    submit_time: int
    modify_index: int

    def fact(self, key: str) -> str:
        """One value of the metadata, empty when it is not there."""
        return dict(self.meta).get(key, "")

    @property
    def desired(self) -> int:
        """Instances wanted over all groups; nothing once stopped."""
        return 0 if self.stopped else sum(group.count for group in self.groups)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Job:
        """Reads a job specification, or a stub of the list (which has no groups)."""
        return cls(
            id=str(raw["ID"]),
            namespace=str(raw.get("Namespace") or "default"),
            type=str(raw.get("Type") or "service"),
            status=str(raw.get("Status") or ""),
            stopped=bool(raw.get("Stop")),
            version=int(raw.get("Version") or 0),
            meta=tuple(sorted((str(k), str(v)) for k, v in (raw.get("Meta") or {}).items())),
            groups=tuple(TaskGroup.of(group) for group in raw.get("TaskGroups") or []),
            submit_time=int(raw.get("SubmitTime") or 0),
            modify_index=int(raw.get("ModifyIndex") or 0),
        )


@dataclass(frozen=True)
class Deployment:
    """A rollout of one version of a job."""

    id: str
    job_version: int
    status: str
    description: str

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Deployment:
        """Reads a deployment of the API or of an event."""
        return cls(
            id=str(raw["ID"]),
            job_version=int(raw.get("JobVersion") or 0),
            status=str(raw.get("Status", "")),
            description=str(raw.get("StatusDescription") or ""),
        )


@dataclass(frozen=True)
class Evaluation:
    """A decision of the scheduler about a job, taken or to be taken."""

    id: str
    status: str

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Evaluation:
        """Reads an evaluation of the API."""
        return cls(id=str(raw["ID"]), status=str(raw.get("Status", "")))


@dataclass(frozen=True, order=True)
class ServiceAddress:
    """Where one instance of a service listens."""

    service: str
    address: str
    port: int

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ServiceAddress:
        """Reads a service registration."""
        return cls(
            str(raw.get("ServiceName", "")), str(raw.get("Address", "")), int(raw.get("Port") or 0)
        )


@dataclass(frozen=True)
class Shortage:
    """Why instances of one task group cannot be placed.

    Attributes:
        missing: How many instances stay out.
        dimensions: What is exhausted (``cpu``, ``memory``, ``disk``, ...), sorted.
        constraints: What the nodes do not satisfy, in the scheduler's words, sorted.
        nodes: How many nodes were looked at.
    """

    group: str
    missing: int
    dimensions: tuple[str, ...]
    constraints: tuple[str, ...]
    nodes: int


@dataclass(frozen=True)
class Plan:
    """What the scheduler would do with a job: whether anything changes, and what does not fit."""

    changes: bool
    shortages: tuple[Shortage, ...]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Plan:
        """Reads the answer of ``/v1/job/ID/plan`` asked with a diff."""
        failed = raw.get("FailedTGAllocs") or {}
        return cls(
            changes=(raw.get("Diff") or {}).get("Type") != "None",
            shortages=tuple(
                Shortage(
                    group=name,
                    missing=int(failed[name].get("CoalescedFailures") or 0) + 1,
                    dimensions=tuple(sorted(failed[name].get("DimensionExhausted") or {})),
                    constraints=tuple(sorted(failed[name].get("ConstraintFiltered") or {})),
                    nodes=int(failed[name].get("NodesEvaluated") or 0),
                )
                for name in sorted(failed)
            ),
        )
