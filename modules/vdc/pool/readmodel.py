"""The service's picture of the pool, kept from events and summed as it changes.

Pure: it is told what the scheduler says and answers from memory. Sums are kept per group of
nodes, so that a question costs as much as there are groups, however many nodes there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vdc.client.models import NodeStatus
from vdc.plan.model import Size
from vdc.scheduler.model import Allocation, SchedulerNode
from vdc.scheduler.outcome import Job, Placement

NOTHING = Size(0, 0, 0)
STATES: tuple[NodeStatus, ...] = ("ready", "draining", "ineligible", "down")
NAMESPACE = "default"
"""Where apps and runs live."""
RUN = "vdc_run"
APP = "vdc_app"


def state_of(node: SchedulerNode) -> NodeStatus:
    """One of :data:`STATES`; a node that is still coming or is out of touch counts as down."""
    if node.status != "ready":
        return "down"
    if node.draining:
        return "draining"
    return "ready" if node.eligible else "ineligible"


@dataclass(frozen=True)
class Sums:
    """What one node, or all nodes of a group, come to; counts in the order of the states."""

    total: Size = NOTHING
    allocated: Size = NOTHING
    free: Size = NOTHING
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)

    def plus(self, other: Sums, sign: int = 1) -> Sums:
        """Both together; with ``sign`` -1, this without the other."""
        ready, draining, ineligible, down = (
            mine + sign * theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        )
        return Sums(
            self.total.plus(other.total.times(sign)),
            self.allocated.plus(other.allocated.times(sign)),
            self.free.plus(other.free.times(sign)),
            (ready, draining, ineligible, down),
        )

    @property
    def up(self) -> int:
        """Nodes that are not down."""
        return sum(self.counts[:3])


def sums_of(node: SchedulerNode, allocated: Size) -> Sums:
    """What one node adds to its group."""
    state = state_of(node)
    ready, draining, ineligible, down = (int(state == known) for known in STATES)
    counts = (ready, draining, ineligible, down)
    if state == "down":
        return Sums(counts=counts)
    total = Size(node.cpu_mhz, node.memory_mib, node.disk_mib)
    free = NOTHING
    if state == "ready":
        free = Size(
            max(0, total.cpu_mhz - allocated.cpu_mhz),
            max(0, total.memory_mib - allocated.memory_mib),
            max(0, total.disk_mib - allocated.disk_mib),
        )
    return Sums(total, allocated, free, counts)


def _size(allocation: Allocation) -> Size:
    return Size(allocation.cpu_mhz, allocation.memory_mib, allocation.disk_mib)


class ReadModel:
    """Nodes, what is placed on them, and jobs.

    Every ``put`` ignores what is older than what it holds, so that events may be told twice.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, SchedulerNode] = {}
        self.jobs: dict[str, Job] = {}
        self.runs: dict[str, Placement] = {}
        self._allocations: dict[str, Allocation] = {}
        self._on_node: dict[str, Size] = {}
        self._sums: dict[str, Sums] = {}
        self._groups: dict[tuple[str, str], Sums] = {}
        self._running: dict[tuple[str, str], set[str]] = {}

    # --- told --------------------------------------------------------------------

    def put_node(self, node: SchedulerNode) -> None:
        """A node as it is now."""
        known = self.nodes.get(node.id)
        if known is not None and known.modify_index > node.modify_index:
            return
        if known is not None:
            self._count(known, -1)
        self.nodes[node.id] = node
        self._count(node, 1)

    def drop_node(self, node_id: str) -> None:
        """A node that the servers have forgotten."""
        if known := self.nodes.pop(node_id, None):
            self._count(known, -1)
            self._sums.pop(node_id)

    def put_allocation(self, allocation: Allocation) -> None:
        """An allocation as it is now; an ended one is not kept."""
        known = self._allocations.get(allocation.id)
        if known is not None and known.modify_index > allocation.modify_index:
            return
        if known is not None:
            self._reserve(known, -1)
        if allocation.live:
            self._allocations[allocation.id] = allocation
            self._reserve(allocation, 1)
        else:
            self._allocations.pop(allocation.id, None)

    def put_run(self, placement: Placement) -> None:
        """How a run fares; the newest attempt is kept."""
        known = self.runs.get(placement.job)
        order = (placement.create_index, placement.modify_index)
        if known is None or order >= (known.create_index, known.modify_index):
            self.runs[placement.job] = placement

    def put_job(self, job: Job) -> None:
        """A job as it is registered now."""
        known = self.jobs.get(job.id)
        if known is None or known.modify_index <= job.modify_index:
            self.jobs[job.id] = job

    def drop_job(self, namespace: str, job_id: str) -> None:
        """A job that the servers have forgotten, and with it whatever was placed for it."""
        gone = [
            a for a in self._allocations.values() if (a.namespace, a.job) == (namespace, job_id)
        ]
        for allocation in gone:
            del self._allocations[allocation.id]
            self._reserve(allocation, -1)
        if namespace == NAMESPACE:
            self.jobs.pop(job_id, None)
            self.runs.pop(job_id, None)

    # --- asked -------------------------------------------------------------------

    @property
    def groups(self) -> dict[tuple[str, str], Sums]:
        """Sums by site and node class."""
        return dict(self._groups)

    def allocated_on(self, node_id: str) -> Size:
        """What is reserved on a node."""
        return self._on_node.get(node_id, NOTHING)

    def most_free(self) -> Size:
        """The most of each that any one node has free; not all of it on the same node."""
        best = NOTHING
        for sums in self._sums.values():
            best = Size(
                max(best.cpu_mhz, sums.free.cpu_mhz),
                max(best.memory_mib, sums.free.memory_mib),
                max(best.disk_mib, sums.free.disk_mib),
            )
        return best

    def running(self, job_id: str, group: str) -> int:
        """Running instances of a task group."""
        return len(self._running.get((job_id, group), ()))

    def run_jobs(self) -> Iterator[Job]:
        """Jobs that are runs."""
        return (job for job in self.jobs.values() if job.fact(RUN))

    def run_placement(self, job_id: str) -> Placement | None:
        """The newest placement of a run."""
        return self.runs.get(job_id)

    # --- sums --------------------------------------------------------------------

    def _count(self, node: SchedulerNode, sign: int) -> None:
        key = (node.datacenter, node.node_class)
        sums = self._sums[node.id] if sign < 0 else sums_of(node, self.allocated_on(node.id))
        if sign > 0:
            self._sums[node.id] = sums
        after = self._groups.get(key, Sums()).plus(sums, sign)
        if any(after.counts):
            self._groups[key] = after
        else:
            self._groups.pop(key, None)

    def _reserve(self, allocation: Allocation, sign: int) -> None:
        node = self.nodes.get(allocation.node_id)
        if node is not None:
            self._count(node, -1)
        after = self.allocated_on(allocation.node_id).plus(_size(allocation).times(sign))
        if after == NOTHING:
            self._on_node.pop(allocation.node_id, None)
        else:
            self._on_node[allocation.node_id] = after
        if node is not None:
            self._count(node, 1)
        instances = self._running.setdefault((allocation.job, allocation.task_group), set())
        if sign > 0 and allocation.client_status == "running":
            instances.add(allocation.id)
        else:
            instances.discard(allocation.id)
            if not instances:
                del self._running[allocation.job, allocation.task_group]


def rebuilt(
    nodes: Iterable[SchedulerNode],
    allocations: Iterable[Allocation],
    jobs: Iterable[Job],
    runs: Iterable[Placement],
) -> ReadModel:
    """A model of a whole listing."""
    model = ReadModel()
    for node in nodes:
        model.put_node(node)
    for allocation in allocations:
        model.put_allocation(allocation)
    for job in jobs:
        model.put_job(job)
    for run in runs:
        model.put_run(run)
    return model
