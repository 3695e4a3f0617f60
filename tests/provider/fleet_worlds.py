"""A cloud and a pool in memory that outlive the run that changed them, and a fleet that is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from provider.worlds import Knife
from vdc.errors import NodeError
from vdc.provider.drivers.fleet import Instance

PREFIX = "dc-cloud-workers"
OLD_S = 10_000


def node(identity: str) -> str:
    return f"{PREFIX}-{identity}"


@dataclass
class Cloud:
    """What exists: machines, their standing in the pool, the work on them."""

    template: str = "v1"
    machines: dict[str, Instance] = field(default_factory=dict)
    standing: dict[str, str] = field(default_factory=dict)
    work: dict[str, set[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    lost_work: list[str] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)
    never_ready: set[str] = field(default_factory=set)
    immortal: set[str] = field(default_factory=set)
    bad_templates: set[str] = field(default_factory=set)
    dismissed: set[str] = field(default_factory=set)
    room: int = 1_000_000
    base: int = 1_000_000
    """So many it makes that it may not take back; all others are of the market."""
    most: int = 0
    least_ready: int = 1_000_000
    made: int = 0

    @property
    def live(self) -> list[Instance]:
        return [i for i in self.machines.values() if i.state != "ending"]

    @property
    def firm(self) -> int:
        return sum(not i.spot for i in self.live)

    def seen(self) -> None:
        """Keeps how many there are, and how many take work."""
        self.most = max(self.most, len(self.live))
        ready = sum(self.standing.get(node(i.id)) == "ready" for i in self.live)
        self.least_ready = min(self.least_ready, ready)

    def make(self) -> str:
        """One machine, over two zones in turn."""
        self.made += 1
        identity = f"i-{self.made:04d}"
        zone = "ab"[self.made % 2]
        # Whoever has fewer machines need not count those that it may not take back.
        spot = len(self.machines) >= self.base and self.firm >= self.base
        self.machines[identity] = Instance(identity, "pending", self.template, "", zone, spot=spot)
        return identity

    def age(self) -> None:
        """Time passes."""
        self.machines = {n: replace(i, age_s=OLD_S) for n, i in self.machines.items()}


class CloudFleet:
    """The cloud's own group."""

    def __init__(self, cloud: Cloud, knife: Knife | None = None) -> None:
        self.cloud = cloud
        self.knife = knife or Knife()

    async def instances(self):
        self.knife.touch()
        await asyncio.sleep(0)
        return list(self.cloud.machines.values())

    async def grow(self, count: int) -> None:
        self.knife.touch()
        self.cloud.calls.append(f"grow {count}")
        for _ in range(min(count, self.cloud.room) - len(self.cloud.live)):
            self.cloud.make()
            self.knife.touch()
        self.cloud.seen()
        if len(self.cloud.live) < count:
            raise NodeError("the limit of machines is reached")

    async def end(self, ids: frozenset[str]) -> None:
        self.cloud.calls.append("end " + " ".join(sorted(ids)))
        for identity in sorted(ids):
            self.knife.touch()
            await asyncio.sleep(0)
            if identity not in self.cloud.machines or identity in self.cloud.immortal:
                continue
            self.cloud.lost_work += sorted(self.cloud.work.pop(node(identity), ()))
            del self.cloud.machines[identity]
        self.cloud.seen()
        self.knife.touch()
        if left := sorted(ids & self.cloud.immortal):
            raise NodeError(f"{left[0]} is still shutting-down")

    async def explain(self, identity: str) -> str:
        return "stage agent"


class CloudPool:
    """The pool: work moves to any machine that takes it."""

    def __init__(self, cloud: Cloud, knife: Knife | None = None) -> None:
        self.cloud = cloud
        self.knife = knife or Knife()

    async def standing(self):
        self.knife.touch()
        await asyncio.sleep(0)
        return dict(self.cloud.standing)

    async def wait_ready(self, name: str) -> None:
        self.knife.touch()
        await asyncio.sleep(0)
        cloud = self.cloud
        identity = name.removeprefix(f"{PREFIX}-")
        machine = cloud.machines.get(identity)
        bad = machine is None or machine.template in cloud.bad_templates
        if bad or identity in cloud.never_ready:
            raise NodeError("not ready after 1 s: it has not registered")
        cloud.machines[identity] = replace(machine, state="running", address="10.0.0.1")
        cloud.standing[name] = "ready"
        self.knife.touch()

    async def drain(self, names: frozenset[str]) -> Mapping[str, str]:
        cloud = self.cloud
        cloud.calls.append("drain " + " ".join(sorted(n.removeprefix(f"{PREFIX}-") for n in names)))
        for name in sorted(names & cloud.standing.keys()):
            self.knife.touch()
            cloud.standing[name] = "leaving"
        kept = {}
        for name in sorted(names):
            self.knife.touch()
            await asyncio.sleep(0)
            if name in cloud.stuck:
                kept[name] = "still runs web"
                continue
            if not cloud.work.get(name):
                continue
            if target := min((n for n, s in cloud.standing.items() if s == "ready"), default=None):
                cloud.work.setdefault(target, set()).update(cloud.work.pop(name))
        cloud.seen()
        return kept

    async def dismiss(self, names: frozenset[str]) -> None:
        self.knife.touch()
        self.cloud.dismissed |= names

    async def forget_others(self, names: frozenset[str]) -> None:
        self.knife.touch()
        self.cloud.standing = {n: s for n, s in self.cloud.standing.items() if n in names}
        self.knife.touch()
