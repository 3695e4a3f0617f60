"""Installing apps: cut at every step it still converges, and nobody overtakes anybody."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from vdc.client.models import InstallRequest
from vdc.errors import PackageError, SchedulerError
from vdc.pool.installer import Installer
from vdc.pool.records import AppRecord, AppStore
from vdc.pool.refusal import RefusalError
from vdc.scheduler.outcome import Plan
from vdc.scheduler.variables import ConflictError, Variable

TOKEN = "caller"
CALLS = 9  # that touch the world during one installation


class CutError(BaseException):
    """The service is killed here."""


@dataclass
class World:
    """What outlives the service, and a counter of the calls that touch it."""

    variables: dict[str, Variable] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    fetched: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    index: int = 0
    calls: int = 0
    cut_at: int = 0
    cut_after: bool = False
    fails: dict[str, Exception] = field(default_factory=dict)
    reason: str = ""
    tokens: list[str | None] = field(default_factory=list)

    def touch(self, what: str):
        """Counts a call; use ``with``: the cut comes before or after the effect."""
        return _Touch(self, what)


@dataclass
class _Touch:
    world: World
    what: str

    def __enter__(self):
        self.world.calls += 1
        if self.world.calls == self.world.cut_at and not self.world.cut_after:
            raise CutError
        if error := self.world.fails.pop(self.what, None):
            raise error

    def __exit__(self, kind, *_):
        if kind is None and self.world.calls == self.world.cut_at and self.world.cut_after:
            raise CutError


class _FakeVariables:
    def __init__(self, world: World) -> None:
        self.world = world

    async def get(self, path):
        with self.world.touch("get"):
            return self.world.variables.get(path)

    async def put(self, path, items, index):
        await asyncio.sleep(0)
        with self.world.touch("put"):
            known = self.world.variables.get(path)
            if (known.index if known else 0) != index:
                raise ConflictError("changed", 409)
            self.world.index += 1
            self.world.variables[path] = Variable(path, items, self.world.index)
        return self.world.variables[path]

    async def delete(self, path):
        with self.world.touch("delete"):
            self.world.variables.pop(path, None)

    async def paths(self, prefix):
        with self.world.touch("paths"):
            return [path for path in self.world.variables if path.startswith(prefix)]


class _FakePackage(SimpleNamespace):
    def check(self, options):
        if "wrong" in options:
            raise PackageError("no such option")
        return {"count": 1, **options}


class _FakeStage:
    def __init__(self, world: World) -> None:
        self.world = world

    def package(self, name):
        if name != "hello":
            raise PackageError(f"there is no package {name!r}")
        return _FakePackage(name="hello", version="1")

    async def plan(self, name, order):
        with self.world.touch("plan"):
            job = self.world.jobs.get(name)
            same = job is not None and job["options"] == order.options and not job["stopped"]
            return Plan(not same, ()), ""

    async def fetch(self, name, order):
        with self.world.touch("fetch"):
            self.world.fetched.add(order.package.name)

    async def submit(self, name, order):
        with self.world.touch("submit"):
            self.world.tokens.append(order.token)
            self.world.kept.add(name)
            assert "hello" in self.world.fetched
            known = self.world.jobs.get(name)
            same = known and known["options"] == order.options and not known["stopped"]
            version = known["version"] + (not same) if known else 0
            self.world.jobs[name] = {
                "options": order.options, "stopped": False, "version": version
            }  # fmt: skip
        return version

    async def settle(self, name, order, job_version):
        with self.world.touch("settle"):
            assert self.world.jobs[name]["version"] == job_version
            return self.world.reason

    async def stop(self, name, token):
        with self.world.touch("stop"):
            if name in self.world.jobs:
                self.world.jobs[name]["stopped"] = True

    async def clear(self, name, token):
        with self.world.touch("clear"):
            self.world.jobs.pop(name, None)

    async def forget(self, name):
        with self.world.touch("forget"):
            self.world.kept.discard(name)

    async def in_touch(self):
        await asyncio.sleep(0)


class _Life:
    """One life of the service over a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = AppStore(_FakeVariables(world))
        self.told: list[AppRecord] = []
        self.installer = Installer(self.store, _FakeStage(world), self.told.append)

    async def install(self, name="web", token=TOKEN, package="hello", version=None, **options):
        request = InstallRequest(package=package, name=name, options=options, version=version)
        return await self.installer.install(request, token, exists=self.exists)

    def exists(self, name):
        job = self.world.jobs.get(name)
        return job is not None and not job["stopped"]

    async def phase(self, name="web"):
        await self.installer.idle()
        record = self.store.get(name)
        return record.phase if record else None


def run(scenario):
    async def quiet():
        # A cut is a BaseException inside a task: the loop must not report it.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        return await scenario()

    return asyncio.run(quiet())


def test_an_installation_goes_through_its_phases():
    async def scenario():
        life = _Life(World())
        first = await life.install()
        assert first.phase == "fetching"
        assert await life.phase() == "healthy"
        return [record.phase for record in life.told]

    assert run(scenario) == ["fetching", "submitting", "deploying", "healthy"]


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("cut_at", range(1, CALLS + 1))
def test_a_service_killed_at_any_call_converges_at_its_next_start(cut_at, after):
    async def scenario():
        world = World(cut_at=cut_at, cut_after=after)
        life = _Life(world)
        try:
            await life.store.load()
            await life.install(count=2)
        except CutError:
            pass
        for task in list(life.installer._tasks.values()):
            await asyncio.wait([task])
        world.cut_at = 0
        recorded = "vdc/apps/web" in world.variables
        again = _Life(world)
        await again.store.load()
        await again.installer.resume()
        assert (await again.phase()) == ("healthy" if recorded else None)
        if not recorded:
            assert world.jobs == {}  # nothing was done that nobody remembers
        # And the same request again is a success either way.
        await again.install(count=2)
        assert await again.phase() == "healthy"
        return world.jobs["web"]["options"]

    assert run(scenario) == {"count": 2}


def test_cuts_cover_every_call():
    async def scenario():
        life = _Life(World())
        await life.store.load()
        await life.install()
        await life.phase()
        return life.world.calls

    assert run(scenario) == CALLS


def test_the_rest_after_a_cut_is_done_without_the_caller_s_token():
    async def scenario():
        world = World(cut_at=4)  # paths, plan, put, then fetch
        life = _Life(world)
        await life.store.load()
        await life.install()
        await asyncio.wait(list(life.installer._tasks.values()))
        world.cut_at = 0
        again = _Life(world)
        await again.store.load()
        await again.installer.resume()
        await again.installer.idle()
        return world.tokens

    assert run(scenario) == [None]


def test_two_installations_of_one_name_at_once():
    async def scenario():
        life = _Life(World())
        answers = await asyncio.gather(
            life.install(count=1), life.install(count=2), return_exceptions=True
        )
        assert await life.phase() == "healthy"
        return answers

    first, second = run(scenario)
    assert isinstance(first, AppRecord)
    assert isinstance(second, RefusalError)
    assert second.status == 409


def test_the_same_again_changes_nothing():
    async def scenario():
        life = _Life(World())
        await life.install(count=2)
        await life.phase()
        told = len(life.told)
        again = await life.install(count=2)
        return again.phase, len(life.told) - told, life.world.jobs["web"]["version"]

    assert run(scenario) == ("healthy", 0, 0)


def test_other_options_update_in_place():
    async def scenario():
        life = _Life(World())
        await life.install(count=2)
        await life.phase()
        assert (await life.install(count=3)).phase == "fetching"
        assert await life.phase() == "healthy"
        return life.world.jobs["web"]

    assert run(scenario) == {"options": {"count": 3}, "stopped": False, "version": 1}


def test_a_failure_says_why_and_the_same_again_tries_anew():
    async def scenario():
        life = _Life(World(reason="task main: exit code 3: no such file"))
        await life.install()
        assert await life.phase() == "failed"
        assert life.store.get("web").reason == "task main: exit code 3: no such file"
        life.world.reason = ""
        life.world.jobs["web"]["failed"] = True
        await life.install()
        assert await life.phase() == "healthy"
        return life.world.jobs["web"], life.world.kept

    job, kept = run(scenario)
    assert "failed" not in job  # made anew: the scheduler would leave failed instances alone
    assert kept == {"web"}  # but with the secrets that it had


def test_an_artifact_that_cannot_be_had_fails_before_anything_is_submitted():
    async def scenario():
        world = World(fails={"fetch": PackageError("wrong\nchecksum")})
        life = _Life(world)
        await life.install()
        assert await life.phase() == "failed"
        return life.store.get("web").reason, world.jobs

    assert run(scenario) == ("wrong checksum", {})


@pytest.mark.parametrize("step", ["submit", "settle", "put"])
def test_a_scheduler_that_is_away_is_waited_for(step):
    async def scenario():
        life = _Life(World())
        await life.install()
        life.world.fails[step] = SchedulerError("no answer", 0)
        return await life.phase()

    assert run(scenario) == "healthy"


def test_a_refusal_by_the_scheduler_is_a_failure():
    async def scenario():
        life = _Life(World(fails={"submit": SchedulerError("Permission denied", 403)}))
        await life.install()
        await life.phase()
        return life.store.get("web")

    record = run(scenario)
    assert (record.phase, record.reason) == ("failed", "Permission denied")


@pytest.mark.parametrize(
    "refusal", [SchedulerError("Permission denied", 403), RefusalError(422, "does not fit")]
)
def test_what_the_plan_refuses_leaves_nothing_behind(refusal):
    async def scenario():
        world = World(fails={"plan": refusal})
        life = _Life(world)
        with pytest.raises(type(refusal)):
            await life.install()
        return world.variables, world.jobs

    assert run(scenario) == ({}, {})


@pytest.mark.parametrize(
    ("request_", "status"),
    [({"package": "nothing"}, 0), ({"wrong": 1}, 0), ({"version": "2"}, 400)],
)
def test_mistakes_are_refused_before_the_scheduler_is_asked(request_, status):
    async def scenario():
        life = _Life(World())
        with pytest.raises((PackageError, RefusalError)) as caught:
            await life.install(**request_)
        return life.world.calls, getattr(caught.value, "status", 0)

    assert run(scenario) == (0, status)


def test_an_app_can_be_stopped_in_the_middle_of_its_installation():
    async def scenario():
        life = _Life(World())
        await life.install()
        await life.installer.stop("web", TOKEN, purge=False)
        assert await life.phase() == "stopped"
        assert life.world.jobs.get("web", {"stopped": True})["stopped"]
        await life.install()
        return await life.phase()

    assert run(scenario) == "healthy"


def test_purging_forgets_the_app_and_lets_the_name_go():
    async def scenario():
        life = _Life(World())
        await life.install()
        await life.phase()
        await life.installer.stop("web", TOKEN, purge=True)
        assert life.world.variables == {}
        assert life.world.jobs == {}
        assert life.world.kept == set()
        with pytest.raises(RefusalError) as caught:
            await life.installer.stop("web", TOKEN, purge=True)
        return caught.value.status

    assert run(scenario) == 404


def test_who_may_not_stop_an_app_does_not_end_its_installation():
    async def scenario():
        life = _Life(World())
        await life.install()
        life.world.fails["stop"] = SchedulerError("Permission denied", 403)
        with pytest.raises(SchedulerError):
            await life.installer.stop("web", "viewer", purge=True)
        return await life.phase()

    assert run(scenario) == "healthy"


def test_a_write_whose_answer_was_lost_is_recognised():
    async def scenario():
        world = World()
        life = _Life(world)
        await life.install()
        put = life.store._variables.put

        async def lost(path, items, index):
            life.store._variables.put = put
            await put(path, items, index)
            raise SchedulerError("the connection broke", 0)

        life.store._variables.put = lost
        return await life.phase()

    assert run(scenario) == "healthy"


def test_a_package_that_is_gone_fails_a_resumed_installation():
    async def scenario():
        world = World()
        life = _Life(world)
        record = AppRecord("web", "gone", "1", "{}", "deploying")
        await life.store.put(record)
        again = _Life(world)
        await again.store.load()
        await again.installer.resume()
        await again.phase()
        return again.store.get("web")

    found = run(scenario)
    assert replace(found, index=0).phase == "failed"
    assert "gone" in found.reason
