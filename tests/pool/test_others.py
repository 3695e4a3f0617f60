"""Services that share the pool: one sees what another does, and finishes what it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from vdc.client.models import InstallRequest
from vdc.pool import others
from vdc.pool.installer import Installer
from vdc.pool.others import Others
from vdc.pool.records import AppRecord, AppStore
from vdc.pool.refusal import RefusalError
from vdc.scheduler.outcome import Plan
from vdc.scheduler.variables import ConflictError, Variable

PHASES = {"fetch": "fetching", "submit": "submitting", "settle": "deploying"}


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(others, "_LOOK_EVERY_S", 0.01)


@dataclass
class Shared:
    """The scheduler's store, and what has been done to the world."""

    variables: dict[str, Variable] = field(default_factory=dict)
    index: int = 0
    steps: list[str] = field(default_factory=list)
    moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def get(self, path: str) -> Variable | None:
        return self.variables.get(path)

    async def put(self, path: str, items: Mapping[str, str], index: int) -> Variable:
        known = self.variables.get(path)
        if (known.index if known else 0) != index:
            raise ConflictError("changed", 409)
        self.index += 1
        self.variables[path] = Variable(path, dict(items), self.index)
        await self._tell()
        return self.variables[path]

    async def delete(self, path: str) -> None:
        self.index += 1
        self.variables.pop(path, None)
        await self._tell()

    async def paths(self, prefix: str) -> list[str]:
        return list(self.variables)

    async def changed(self, prefix: str, index: int, wait_s: int) -> tuple[dict[str, int], int]:
        async with self.moved:
            await self.moved.wait_for(lambda: self.index > index or index == 0)
        return {path: v.index for path, v in self.variables.items()}, max(self.index, 1)

    async def _tell(self) -> None:
        async with self.moved:
            self.moved.notify_all()


class Stage:
    """Takes steps; the one called ``stuck`` never ends."""

    def __init__(self, shared: Shared, name: str, stuck: str) -> None:
        self.shared, self.name, self.stuck = shared, name, stuck

    async def _step(self, what: str) -> None:
        self.shared.steps.append(f"{self.name} {what}")
        if what == self.stuck:
            await asyncio.Event().wait()

    def package(self, name: str) -> Any:
        return SimpleNamespace(name=name, version="1", check=dict)

    async def plan(self, name: str, order: object) -> tuple[Plan, str]:
        return Plan(True, ()), ""

    async def fetch(self, name: str, order: object) -> None:
        await self._step("fetch")

    async def submit(self, name: str, order: object) -> int:
        await self._step("submit")
        return 0

    async def settle(self, name: str, order: object, job_version: int) -> str:
        await self._step("settle")
        return ""

    async def in_touch(self) -> None:
        await asyncio.sleep(0)


class Life:
    """One service."""

    def __init__(self, shared: Shared, name: str, alive: set[str], stuck: str = "") -> None:
        self.name = name
        self.alive = alive
        self.told: list[tuple[str, str]] = []
        self.news = asyncio.Event()
        self.store = AppStore(shared)  # type: ignore[arg-type]
        stage: Any = Stage(shared, name, stuck)
        self.installer = Installer(self.store, stage, self._tell, name)
        self.others = Others(self.store, self.installer, self._tell, self._prepare, self._asked)

    def _tell(self, record: AppRecord) -> None:
        known = self.store.get(record.name)
        self.told.append((record.name, known.phase if known else "gone"))
        self.news.set()

    async def _prepare(self) -> None:
        return

    async def _asked(self, holder: str) -> bool:
        return holder in self.alive

    async def install(self, name: str = "web") -> AppRecord:
        request = InstallRequest(package="hello", name=name)
        return await self.installer.install(request, "caller", exists=lambda _: False)

    async def heard(self, *told: tuple[str, str]) -> None:
        async with asyncio.timeout(10):
            while not set(told) <= set(self.told):
                self.news.clear()
                await self.news.wait()


def together(scenario: Callable[[Life, Life, Shared], Awaitable[None]], stuck: str = "") -> None:
    """Runs a scenario with services ``a`` and ``b`` over one store."""

    async def run() -> None:
        shared, alive = Shared(), {"a", "b"}
        lives = Life(shared, "a", alive, stuck), Life(shared, "b", alive)
        following = [asyncio.create_task(life.others.run()) for life in lives]
        try:
            await scenario(*lives, shared)
        finally:
            for task in following:
                task.cancel()
            for life in lives:
                await life.installer.close()

    asyncio.run(run())


def test_what_one_installs_the_other_sees_come_and_go():
    async def scenario(a: Life, b: Life, shared: Shared) -> None:
        await a.install()
        await b.heard(("web", "healthy"))
        await a.store.forget("web")
        await b.heard(("web", "gone"))
        assert b.store.get("web") is None
        assert {step.split()[0] for step in shared.steps} == {"a"}

    together(scenario)


def test_what_one_installs_the_other_leaves_alone_while_that_one_lives():
    async def scenario(a: Life, b: Life, shared: Shared) -> None:
        await a.install()
        await b.heard(("web", "fetching"))
        with pytest.raises(RefusalError, match="is being installed already"):
            await b.install()
        await asyncio.sleep(0.2)
        assert shared.steps == ["a fetch"]

    together(scenario, stuck="fetch")


@pytest.mark.parametrize("stuck", PHASES)
def test_what_a_lost_service_has_begun_another_one_finishes(stuck):
    async def scenario(a: Life, b: Life, shared: Shared) -> None:
        await a.install()
        await b.heard(("web", PHASES[stuck]))
        a.alive.discard("a")
        await b.heard(("web", "healthy"))
        assert shared.steps.count(f"b {stuck}") == 1
        record = b.store.get("web")
        assert record is not None
        assert record.holder == "b"

    together(scenario, stuck=stuck)


def test_a_service_that_was_only_out_of_sight_takes_no_further_step():
    async def scenario(a: Life, b: Life, shared: Shared) -> None:
        release = asyncio.Event()
        stage: Any = a.installer._stage
        stage._step = lambda _: release.wait()  # it goes on, but later
        await a.install()
        await b.heard(("web", "fetching"))
        a.alive.discard("a")
        await b.heard(("web", "healthy"))
        release.set()
        await a.installer.idle()
        assert a.store.get("web") == b.store.get("web")
        assert [step for step in shared.steps if step.startswith("a")] == []

    together(scenario)


def test_a_service_goes_on_with_its_own_alone_when_it_starts_anew():
    async def scenario(a: Life, b: Life, shared: Shared) -> None:
        await a.install("web")
        await b.heard(("web", "fetching"))
        await b.installer.resume()
        await a.installer.close()
        again = Life(shared, "a", a.alive)
        await again.store.load()
        await again.installer.resume()
        await again.installer.idle()
        record = again.store.get("web")
        assert record is not None
        assert record.phase == "healthy"
        assert all(step.startswith("a") for step in shared.steps)

    together(scenario, stuck="fetch")
