"""The logic of a node group, written once for every kind of site.

From what exists at the back end to what the declaration wants, in an order that keeps capacity:
new nodes first, then changed ones a few at a time, then the surplus is drained and removed. A
node that cannot be made is reported and holds up no other; a node that did not come back from a
change holds up all further changes, so that a template that does not work costs no whole group. A
run may be cut at any point: the next one reads the back end, not a memory, and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from vdc.errors import NodeError, SchedulerError, VdcError
from vdc.provider.drivers import Driver, Members, NodeFacts


@dataclass(frozen=True)
class Steps:
    """What a group needs, by node name, each in order.

    Attributes:
        make: Not there, or there in part or stopped: nothing of value runs on them.
        change: Running from another template.
        remove: Ours and no longer wanted.
        unknown: Wanted, and their back end does not say how they are: left alone.
    """

    make: tuple[str, ...]
    change: tuple[str, ...]
    remove: tuple[str, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converged:
    """What a group is after a run; ``problems`` has one line for each node that failed."""

    nodes: tuple[NodeFacts, ...]
    problems: tuple[str, ...]


def steps(wanted: Iterable[str], owned: Iterable[NodeFacts], digest: str) -> Steps:
    """Compares the wanted names with the nodes that are ours. Pure."""
    names = list(dict.fromkeys(wanted))
    have = {node.name: node for node in owned}

    def state(name: str) -> str:
        return have[name].state if name in have else "absent"

    return Steps(
        make=tuple(n for n in names if state(n) in ("absent", "partial", "stopped")),
        change=tuple(n for n in names if state(n) == "running" and have[n].digest != digest),
        remove=tuple(sorted(have.keys() - set(names))),
        unknown=tuple(n for n in names if state(n) == "unreachable"),
    )


async def converge(
    driver: Driver,
    members: Members,
    wanted: tuple[str, ...],
    stopping: asyncio.Event,
) -> Converged:
    """Brings a group to exactly the wanted nodes, as far as it can.

    Idempotent: with nothing to do it only reads. Once ``stopping`` is set nothing new is begun,
    and what was not begun is named as a problem.

    Args:
        driver: Makes and removes single nodes.
        members: The pool's view of them.
        wanted: Names of the nodes that are to exist.
        stopping: Set when the user has interrupted the run.
    """
    owned = await driver.owned()
    todo = steps(wanted, owned.values(), driver.digest)

    change = _Change(driver, members)
    problems = [f"node {name}: {_reason(owned[name])}" for name in todo.unknown]
    if todo.make:
        # Until its heartbeat is missed, a node that was lost passes for ready in the pool, and who
        # waits for its successor would be content with it.
        there = {name for name, node in owned.items() if node.state != "partial"}
        await members.forget_others(frozenset(there))
    # Waiting costs nobody anything: however long they boot, the next ones are begun.
    problems += await _each(
        driver.create, todo.make, driver.at_once, stopping, afterwards=change.await_ready
    )
    problems += await _each(
        lambda name: change.renew(owned[name]),
        todo.change,
        members.at_once(len(wanted)),
        stopping,
        one_failure_holds_all=True,
    )
    # A node that a cut run left draining is taken back into work.
    begun = {*todo.make, *todo.change, *todo.unknown}
    kept = [name for name in wanted if name not in begun]
    problems += await _each(members.wait_ready, kept, len(kept), stopping)
    surplus = [owned[name] for name in todo.remove]
    problems += await remove(driver, members, surplus, stopping)
    return Converged(tuple((await driver.owned()).values()), tuple(problems))


@dataclass(frozen=True)
class _Change:
    """How a single node becomes what it is to be."""

    driver: Driver
    members: Members

    async def await_ready(self, name: str) -> None:
        """Returns when a node that was made takes work; else says what its back end knows."""
        try:
            await self.members.wait_ready(name)
        except NodeError as error:
            known = await self.driver.explain(name)
            raise NodeError(f"{error}; {known}" if known else str(error)) from error

    async def renew(self, node: NodeFacts) -> None:
        """Brings a running node to another template: in place, else by taking its place."""
        in_place = self.driver.in_place(node)
        await self.members.spare(node.name, replaced=not in_place)
        if not in_place:
            held = await self.members.drain(frozenset({node.name}))
            if node.name in held:
                raise NodeError(held[node.name])
            await self.driver.delete(node.name)
            # Until its heartbeat is missed the old one passes for ready, and keeps its name.
            await self.members.forget(node.name)
        await self.driver.create(node.name)
        await self.await_ready(node.name)


async def remove(
    driver: Driver, members: Members, nodes: Iterable[NodeFacts], stopping: asyncio.Event
) -> list[str]:
    """Drains and removes nodes, and what no node uses any more.

    Returns a line for each thing that is still there.
    """
    leaving = {node.name: node for node in nodes}
    if stopping.is_set():
        return [f"node {name}: not removed, the run was interrupted" for name in sorted(leaving)]
    # What does not run holds no work, and its scheduler may be as dead as the node.
    running = frozenset(
        name for name, node in leaving.items() if node.state in ("running", "unreachable")
    )
    held = await members.drain(running) if running else {}

    problems = [f"node {name}: {held[name]}" for name in sorted(held)]
    problems += await _each(
        driver.delete, sorted(leaving.keys() - held.keys()), driver.at_once, stopping
    )
    # By what is left and not by what was removed here: a run may have been cut in between. It is no
    # more than tidiness, as the scheduler itself forgets a node that is down for a day, and so one
    # that does not answer keeps no removal from its end.
    left = frozenset(await driver.owned())
    with suppress(SchedulerError):
        await members.forget_others(left)
    try:
        await driver.tidy()
    except VdcError as error:
        problems.append(str(error))
    return problems


def _reason(node: NodeFacts) -> str:
    return dict(node.facts).get("reason", "its back end does not answer") + "; it was left alone"


async def _each(
    action: Callable[[str], Awaitable[object]],
    names: Iterable[str],
    at_once: int,
    stopping: asyncio.Event,
    *,
    afterwards: Callable[[str], Awaitable[None]] | None = None,
    one_failure_holds_all: bool = False,
) -> list[str]:
    """Runs the action for every name, a bounded number at once; one line for each failure.

    What follows ``afterwards`` on an action that succeeded is not bounded.
    """
    room = asyncio.Semaphore(at_once)
    failed: list[str] = []

    async def one(name: str) -> str | None:
        try:
            async with room:
                if stopping.is_set():
                    return f"node {name}: not begun, the run was interrupted"
                if failed and one_failure_holds_all:
                    return f"node {name}: not begun, because {failed[0]} failed"
                await action(name)
            if afterwards:
                await afterwards(name)
        except VdcError as error:
            failed.append(name)
            return f"node {name}: {error}"
        return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(name)) for name in names]
    return [line for line in (task.result() for task in tasks) if line]
