"""A back end in memory whose nodes outlive the run that made them, and a driver that is cut.

``Cut`` stands for SIGKILL of the provider: it is raised before or after any single effect, and
nothing runs after it. The world stays as it was at that instant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vdc.errors import ForeignNodeError, NodeError, SchedulerError
from vdc.provider.drivers import NodeFacts


class Cut(BaseException):
    """The end of the process: no handler of errors may catch it."""


@dataclass
class World:
    """What exists: nodes with a mark, work on nodes, what the pool knows."""

    nodes: dict[str, NodeFacts] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    work: dict[str, set[str]] = field(default_factory=dict)
    ineligible: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    lost_work: list[str] = field(default_factory=list)
    running_at_once: int = 0
    most_at_once: int = 0
    away_at_once: int = 0
    most_away: int = 0
    replaces: bool = False
    vital: set[str] = field(default_factory=set)
    never_ready: set[str] = field(default_factory=set)
    litter: set[str] = field(default_factory=set)
    littered_for_good: bool = False
    deaf: bool = False


class Knife:
    """Cuts at the n-th effect; never when n is None."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0

    def touch(self) -> None:
        """Called before and after each effect."""
        self.count += 1
        if self.at is not None and self.count >= self.at:
            raise Cut


class WorldDriver:
    """Makes and removes nodes of the world, each in the steps of a real one."""

    at_once = 16

    def __init__(self, world: World, digest: str = "v1", knife: Knife | None = None) -> None:
        self.world = world
        self.digest = digest
        self.knife = knife or Knife()

    async def owned(self) -> Mapping[str, NodeFacts]:
        """What bears the mark."""
        self.knife.touch()
        await asyncio.sleep(0)
        return dict(self.world.nodes)

    async def create(self, name: str) -> NodeFacts:
        """Mark, then all the rest, then running; an existing node keeps its work."""
        world = self.world
        if name in world.foreign:
            raise ForeignNodeError(f"{name} is not ours")
        world.running_at_once += 1
        world.most_at_once = max(world.most_at_once, world.running_at_once)
        try:
            world.litter.add(f"image for {name}")
            self.knife.touch()
            there = world.nodes.get(name)
            if there is None:
                world.nodes[name] = NodeFacts(name, "partial", "")
            self.knife.touch()
            await asyncio.sleep(0)
            if name in world.broken:
                raise NodeError("boot: no space left")
            world.calls.append(f"create {name}")
            world.nodes[name] = NodeFacts(name, "running", self.digest)
            self.knife.touch()
            return world.nodes[name]
        finally:
            world.running_at_once -= 1

    def in_place(self, node: NodeFacts) -> bool:
        """As the world says."""
        return not self.world.replaces

    async def explain(self, name: str) -> str:
        """How far it came."""
        return "stage agent: it said nothing"

    async def delete(self, name: str) -> None:
        """Everything of it, the mark last."""
        world = self.world
        world.away_at_once += 1
        world.most_away = max(world.most_away, world.away_at_once)
        self.knife.touch()
        if name not in world.nodes:
            return
        world.calls.append(f"delete {name}")
        world.lost_work += sorted(world.work.pop(name, ()))
        world.nodes[name] = replace(world.nodes[name], state="partial")
        self.knife.touch()
        await asyncio.sleep(0)
        del world.nodes[name]
        self.knife.touch()

    async def tidy(self) -> None:
        """Everything that is no node's."""
        self.knife.touch()
        if self.world.littered_for_good:
            raise NodeError("host a: cannot remove an image")
        self.world.litter.clear()


class WorldMembers:
    """The pool of the world: work moves to any eligible running node."""

    def __init__(self, world: World, knife: Knife | None = None) -> None:
        self.world = world
        self.knife = knife or Knife()

    def at_once(self, count: int) -> int:
        """As for work nodes."""
        return max(1, count // 10)

    async def spare(self, name: str, *, replaced: bool) -> None:
        """Some can be spared only if they come back as they were."""
        self.knife.touch()
        if replaced and name in self.world.vital:
            raise NodeError("not replaced")

    async def wait_ready(self, name: str) -> None:
        """A running node becomes known, and takes work again."""
        self.knife.touch()
        await asyncio.sleep(0)
        if name in self.world.never_ready:
            raise NodeError("not ready after 1 s")
        assert name in self.world.nodes, "an old one passes for ready"
        self.world.away_at_once = max(0, self.world.away_at_once - 1)
        self.world.known.add(name)
        self.world.ineligible.discard(name)
        self.knife.touch()

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        """Moves all work that is not stuck to nodes that stay."""
        world = self.world
        world.calls.append("drain " + " ".join(sorted(names)))
        for name in sorted(names):
            self.knife.touch()
            world.ineligible.add(name)
        held = {}
        for name in sorted(names):
            self.knife.touch()
            await asyncio.sleep(0)
            if name in world.stuck:
                held[name] = "still runs web"
                continue
            target = next(
                (
                    n
                    for n, node in sorted(world.nodes.items())
                    if node.state == "running" and n not in world.ineligible
                ),
                None,
            )
            if target and world.work.get(name):
                world.work.setdefault(target, set()).update(world.work.pop(name))
            self.knife.touch()
        return held

    async def forget(self, name: str) -> None:
        """It is known no longer."""
        self.knife.touch()
        assert name not in self.world.nodes
        self.world.calls.append(f"forget {name}")
        self.world.known.discard(name)

    async def forget_others(self, names: frozenset[str]) -> None:
        """The others are no longer known, if the pool hears it."""
        self.knife.touch()
        if self.world.deaf:
            raise SchedulerError("no answer from the scheduler")
        self.world.known &= names
        self.world.ineligible &= names
        self.knife.touch()
