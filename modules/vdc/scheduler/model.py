"""The scheduler's objects as vdc reads them: only the fields it uses, in its own types.

Each ``of`` reads one object of Nomad's HTTP API (field names as documented for 1.11) and is
tolerant: a field that a newer or older agent leaves out takes its zero value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TERMINAL = frozenset({"complete", "failed", "lost"})


@dataclass(frozen=True)
class SchedulerNode:
    """One agent's node as the servers know it. Capacity is what work may reserve.

    Attributes:
        status: ``initializing``, ``ready``, ``down`` or ``disconnected``.
        eligible: Whether new work may be placed on it.
        draining: Whether its work is being moved away.
        drained_by_us: Whether its last drain was begun by vdc, to remove it.
    """

    id: str
    name: str
    datacenter: str
    node_class: str
    node_pool: str
    address: str
    status: str
    eligible: bool
    draining: bool
    drained_by_us: bool
    version: str
    cpu_mhz: int
    memory_mib: int
    disk_mib: int
    modify_index: int

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> SchedulerNode:
        """Reads a node of ``/v1/nodes?resources=true``, ``/v1/node/ID`` or a Node event."""
        whole = raw.get("NodeResources") or {}
        reserved = raw.get("ReservedResources") or {}

        def capacity(part: str, field: str) -> int:
            total = (whole.get(part) or {}).get(field) or 0
            kept = (reserved.get(part) or {}).get(field) or 0
            return int(total) - int(kept)

        return cls(
            id=str(raw["ID"]),
            name=str(raw.get("Name", "")),
            datacenter=str(raw.get("Datacenter", "")),
            node_class=str(raw.get("NodeClass", "")),
            node_pool=str(raw.get("NodePool", "")),
            address=str(raw.get("Address") or str(raw.get("HTTPAddr", "")).rpartition(":")[0]),
            status=str(raw.get("Status", "")),
            eligible=raw.get("SchedulingEligibility") == "eligible",
            draining=bool(raw.get("Drain") or raw.get("DrainStrategy")),
            drained_by_us="vdc" in ((raw.get("LastDrain") or {}).get("Meta") or {}),
            version=str(
                raw.get("Version") or (raw.get("Attributes") or {}).get("nomad.version", "")
            ),
            cpu_mhz=capacity("Cpu", "CpuShares"),
            memory_mib=capacity("Memory", "MemoryMB"),
            disk_mib=capacity("Disk", "DiskMB"),
            modify_index=int(raw.get("ModifyIndex", 0)),
        )


@dataclass(frozen=True)
class Allocation:
    """One placed task group of a job, with what it reserves."""

    id: str
    name: str
    job: str
    namespace: str
    task_group: str
    node_id: str
    node_name: str
    client_status: str
    desired_status: str
    cpu_mhz: int
    memory_mib: int
    disk_mib: int
    modify_index: int

    @property
    def live(self) -> bool:
        """Whether it still holds its reservation on the node."""
        return self.client_status not in TERMINAL

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Allocation:
        """Reads an allocation of ``/v1/allocations?resources=true`` or an Allocation event."""
        resources = raw.get("AllocatedResources") or {}
        tasks = (resources.get("Tasks") or {}).values()
        shared = resources.get("Shared") or {}
        return cls(
            id=str(raw["ID"]),
            name=str(raw.get("Name", "")),
            job=str(raw.get("JobID", "")),
            namespace=str(raw.get("Namespace", "")),
            task_group=str(raw.get("TaskGroup", "")),
            node_id=str(raw.get("NodeID", "")),
            node_name=str(raw.get("NodeName", "")),
            client_status=str(raw.get("ClientStatus", "")),
            desired_status=str(raw.get("DesiredStatus", "")),
            cpu_mhz=sum(int((task.get("Cpu") or {}).get("CpuShares") or 0) for task in tasks),
            memory_mib=sum(int((task.get("Memory") or {}).get("MemoryMB") or 0) for task in tasks),
            disk_mib=int(shared.get("DiskMB") or 0),
            modify_index=int(raw.get("ModifyIndex", 0)),
        )


@dataclass(frozen=True)
class Event:
    """One event of the scheduler's stream.

    Attributes:
        payload: The object under the topic's name.
        deleted: The servers have forgotten the object; said of jobs alone.
    """

    topic: str
    type: str
    key: str
    index: int
    payload: Mapping[str, Any]
    deleted: bool = False
