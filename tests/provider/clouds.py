"""A kind of site whose back end is a list in memory: what it shows, and what it refuses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from vdc.declaration.finding import Finding
from vdc.errors import NodeError
from vdc.plan import Plan, Site
from vdc.plan.tags import tags
from vdc.provider.drivers.backend import Backend, Recorded, Thing


@dataclass
class Cloud:
    """One back end.

    Attributes:
        things: What is there now.
        removed: Ids in the order in which they were asked to go.
        stuck: Ids that it refuses to remove.
        lying: Ids that it says are gone and still shows.
        findings: What its preflight answers.
        recorded: What its preflight was told that the state records.
        ending: How often it is asked what is left of a thing before that is gone, by id.
        answer_s: How long a removal's answer takes.
        looks: How often it was asked what is left.
        busy: How many removals it has been asked for at the same time, at most.
        asks: Called with the site before every answer; raises what the back end is to raise.
    """

    things: list[Thing] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    lying: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    recorded: list[Any] = field(default_factory=list)
    ending: dict[str, int] = field(default_factory=dict)
    answer_s: float = 0.0
    looks: int = 0
    busy: int = 0
    asks: Callable[[Site], None] = lambda _site: None
    _at_work: int = 0

    @property
    def backend(self) -> Backend:
        return Backend(self._preflight, self._found, self._remove, self._left)

    def kind(self, name: str) -> ModuleType:
        """Registers it as a kind, as a kind's package does; the caller takes it out again."""
        module = ModuleType(f"vdc.provider.drivers.{name}")
        module.BACKEND = self.backend  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        return module

    async def _preflight(
        self, plan: Plan, site: Site, stack: str, recorded: Recorded
    ) -> Sequence[Finding]:
        self.asks(site)
        self.recorded = [*recorded]
        return self.findings

    async def _found(self, site: Site, datacenter: str, stack: str) -> Sequence[Thing]:
        self.asks(site)
        wanted = tags(datacenter, stack, "").items()
        return [thing for thing in self.things if wanted <= thing.tags.items()]

    async def _remove(self, site: Site, thing: Thing) -> None:
        self._at_work += 1
        self.busy = max(self.busy, self._at_work)
        await asyncio.sleep(self.answer_s)
        self._at_work -= 1
        self.removed.append(thing.id)
        if thing.id in self.stuck:
            raise NodeError("409 it is in use")
        if thing.id not in self.lying and thing.id not in self.ending:
            self.things.remove(thing)

    async def _left(self, site: Site, things: Sequence[Thing]) -> Sequence[Thing]:
        self.asks(site)
        self.looks += 1
        gone = {thing.id for thing in things if self._goes(thing.id)}
        self.things = [thing for thing in self.things if thing.id not in gone]
        there = {thing.id for thing in self.things} - self.lying
        return [thing for thing in things if thing.id in there]

    def _goes(self, known: str) -> bool:
        self.ending[known] = self.ending.get(known, 0) - 1
        return self.ending[known] == 0


def thing(
    identity: str,
    rank: int = 0,
    *known_by: str,
    site: str = "north",
    stack: str = "blue",
    group: str = "workers",
) -> Thing:
    """A server of data centre ``dc``."""
    marks = tags("dc", stack, site, group)
    return Thing("server", identity, f"name-of-{identity}", marks, frozenset(known_by), rank)


def site(name: str, kind: str) -> Site:
    """A planned site without groups."""
    return Site(name, kind, (), "{}")
