"""The logic of a fleet: a group whose machines the cloud makes, and we say how many and which go.

From what the cloud and the pool show to what the declaration wants, one step at a time: room first,
then readiness, and only then does a machine go, drained. Every step is chosen from what is there
and from no memory, so a run may be cut at any point and the next one goes on. A machine that does
not become ready, or keeps its work, holds up all further replacement: a template that does not
work costs a tenth of the group at most, and none of its work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from vdc.errors import NodeError, SchedulerError, VdcError
from vdc.provider.drivers.fleet import Fleet, Instance, Pool, Standing


@dataclass(frozen=True)
class Want:
    """What the fleet is to be.

    Attributes:
        prefix: Beginning of the nodes' names.
        count: How many machines.
        template: What they are to be made from.
        ready_s: Seconds from its start that a machine gets to become ready; then it is overdue,
            and replaced.
        firm: How many of them the cloud may not take back, at least; it makes those first.
    """

    prefix: str
    count: int
    template: str
    ready_s: int
    firm: int = 0

    @property
    def surge(self) -> int:
        """How many more there may be while others are replaced: a tenth."""
        return max(1, self.count // 10)

    @property
    def base(self) -> int:
        """How many the cloud may not take back, at least, of as many as there are to be."""
        return min(self.firm, self.count)

    def name(self, instance: Instance) -> str:
        """The name of a machine's node."""
        return f"{self.prefix}-{instance.id}"


@dataclass(frozen=True)
class Grow:
    """The cloud is to make machines until there are ``count``; ``firm`` it may not take back."""

    count: int
    firm: int = 0


@dataclass(frozen=True)
class Await:
    """These are to become ready."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Retire:
    """These are drained, and then ended."""

    instances: tuple[Instance, ...]


Step = Grow | Await | Retire


@dataclass(frozen=True)
class Converged:
    """What a fleet is after a run; ``problems`` has one line for each thing that failed."""

    instances: tuple[Instance, ...]
    problems: tuple[str, ...]


def next_step(
    want: Want,
    instances: Collection[Instance],
    standing: Mapping[str, Standing],
    failed: Collection[str] = (),
    *,
    held: bool = False,
) -> Step | None:
    """What is to be done next; None when nothing is, or nothing may. Pure.

    Args:
        want: What the fleet is to be.
        instances: What there is.
        standing: How the pool sees their nodes.
        failed: Those that a step of this run has failed with.
        held: Something failed, so that nothing is made or replaced any more.
    """
    live = sorted(_live(instances), key=lambda i: i.id)
    ready = {i.id for i in live if standing.get(want.name(i)) == "ready"}
    right: list[Instance] = []
    wrong: list[Instance] = []
    for i in live:
        good = i.template == want.template and not _overdue(i, want, standing)
        (right if good else wrong).append(i)

    # Where the base is not whole, one of the market is one too many.
    fit = min(len(right), want.count - max(0, want.base - _firm(right)))
    missing = min(want.count - fit, want.count + want.surge - len(live))
    if missing > 0 and not held:
        return Grow(len(live) + missing, min(want.base, _firm(live) + missing))
    leaving = surplus(want.count, [i for i in right if i.id not in failed], ready, want.base)
    settled = ready | set(failed) | {i.id for i in leaving}
    if awaited := [i for i in right if i.id not in settled]:
        return Await(tuple(awaited))
    if not held:
        spare = max(0, len(live) - len(leaving) - want.count)
        # Those without work first: they carry nothing of what the group is for. Then those that
        # the cloud may not take back: as long as they are there it makes no others of their sort.
        leaving += sorted(wrong, key=lambda i: (i.id in ready, i.spot))[:spare]
    return Retire(tuple(leaving)) if leaving else None


def surplus(
    count: int,
    instances: Collection[Instance],
    ready: Collection[str] | None = None,
    firm: int = 0,
) -> list[Instance]:
    """Which of these go so that ``count`` stay: those without work first, then evenly by zone.

    Args:
        count: How many stay.
        instances: Those there are.
        ready: Those that take work; None where that is not known.
        firm: How many of these ``count`` the cloud may not take back, as far as there are so many.
    """
    extra = max(0, len(instances) - count)
    kept = _base(firm, instances, ready)
    free = sorted((i for i in instances if i.id not in kept), key=lambda i: i.id)
    leaving = [i for i in free if ready is not None and i.id not in ready][:extra]
    gone = {i.id for i in leaving}
    stay = Counter(i.zone for i in instances if i.id not in gone)
    zones: dict[str, list[Instance]] = {}
    for instance in free:
        if instance.id not in gone:
            zones.setdefault(instance.zone, []).append(instance)
    while len(leaving) < extra:
        fullest = max(filter(zones.get, zones), key=lambda zone: (stay[zone], zone))
        leaving.append(zones[fullest].pop())
        stay[fullest] -= 1
    return leaving


def _base(
    count: int, instances: Collection[Instance], ready: Collection[str] | None
) -> frozenset[str]:
    """So many that the cloud may not take back: what would stay if there were no others."""
    if not count:
        return frozenset()
    firm = [i for i in instances if not i.spot]
    return frozenset(i.id for i in firm) - {i.id for i in surplus(count, firm, ready)}


async def converge(fleet: Fleet, pool: Pool, want: Want, stopping: asyncio.Event) -> Converged:
    """Brings a fleet to what is wanted, as far as it can.

    Idempotent: with nothing to do it only reads. Once ``stopping`` is set nothing new is begun,
    and what was not begun is named as a problem.

    Args:
        fleet: The cloud's view of the machines.
        pool: The pool's view of them.
        want: What the fleet is to be.
        stopping: Set when the user has interrupted the run.
    """
    run = _Run(fleet, pool, want)
    while True:
        instances = tuple(await fleet.instances())
        step = next_step(
            want, instances, await pool.standing(), run.failed, held=bool(run.problems)
        )
        if step is None:
            break
        if stopping.is_set():
            run.problems += _interrupted(step, want)
            break
        await run.take(step)
    with suppress(SchedulerError):  # no more than tidiness; see groups.remove
        await pool.forget_others(frozenset(want.name(i) for i in instances))
    return Converged(instances, tuple(run.problems))


class _Run:
    """One run: its steps, and what failed in them."""

    def __init__(self, fleet: Fleet, pool: Pool, want: Want) -> None:
        self._fleet = fleet
        self._pool = pool
        self._want = want
        self.problems: list[str] = []
        self.failed: set[str] = set()

    async def take(self, step: Step) -> None:
        match step:
            case Grow():
                await self._grow(step)
            case Await(instances):
                # One query serves all who wait, however many they are.
                async with asyncio.TaskGroup() as group:
                    for instance in instances:
                        group.create_task(self._wait(instance))
            case Retire(instances):
                await self._retire(instances)

    async def _grow(self, step: Grow) -> None:
        try:
            await self._fleet.grow(step.count)
        except NodeError as error:
            self.problems.append(f"not {step.count} machines: {error}")
            return
        # Without this look the same would be tried again and again.
        if step.firm and _firm(_live(await self._fleet.instances())) < step.firm:
            self.problems.append(f"not {step.firm} machines that the cloud may not take back")

    async def _wait(self, instance: Instance) -> None:
        try:
            await self._pool.wait_ready(self._want.name(instance))
        except VdcError as error:
            known = await self._fleet.explain(instance.id)
            self._fail(instance, f"{error}; {known}" if known else str(error))

    async def _retire(self, instances: Sequence[Instance]) -> None:
        by_name = {self._want.name(instance): instance for instance in instances}
        kept = await self._pool.drain(frozenset(by_name))
        for name, line in sorted(kept.items()):
            self._fail(by_name[name], line)
        empty = by_name.keys() - kept.keys()
        if not empty:
            return
        await self._pool.dismiss(frozenset(empty))
        try:
            await self._fleet.end(frozenset(by_name[name].id for name in empty))
        except NodeError as error:
            self.problems.append(str(error))
            self.failed |= {by_name[name].id for name in empty}

    def _fail(self, instance: Instance, line: str) -> None:
        self.problems.append(f"node {self._want.name(instance)}: {line}")
        self.failed.add(instance.id)


def _live(instances: Collection[Instance]) -> list[Instance]:
    return [i for i in instances if i.state != "ending"]


def _firm(instances: Collection[Instance]) -> int:
    """How many of these the cloud may not take back."""
    return sum(not i.spot for i in instances)


def _overdue(instance: Instance, want: Want, standing: Mapping[str, Standing]) -> bool:
    """Whether it had its time and is no part of the pool: nobody waits for it again."""
    known = standing.get(want.name(instance), "lost")
    return known == "lost" and instance.age_s > want.ready_s


def _interrupted(step: Step, want: Want) -> list[str]:
    match step:
        case Grow(count):
            return [f"not {count} machines: not begun, the run was interrupted"]
        case Await(instances):
            what = "not waited for"
        case Retire(instances):
            what = "not removed"
    return [f"node {want.name(i)}: {what}, the run was interrupted" for i in instances]
