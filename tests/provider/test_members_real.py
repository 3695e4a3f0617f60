"""Work nodes as a real scheduler knows them: many at once, and one that keeps its work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from named_nodes import named_nodes
from nomad_lab import GROUP, SITE, NomadLab, nomad_lab, wait_for
from vdc.provider import connection
from vdc.provider.connection import SchedulerInputs
from vdc.provider.members import ClientMembers
from vdc.provider.permissions import FORCE, Permissions
from vdc.provider.resource import Call
from vdc.provider.resources.opening import Opening, OpeningInputs
from vdc.scheduler.client import Nomad

pytestmark = pytest.mark.real

MANY = 150
NAMES = frozenset(f"n-{index}" for index in range(MANY))
# Far below what a server of the scheduler takes from one address by itself: 100.
FEW = 20
NOTHING = Permissions()
BOUND = "node-0"


class Counted(Nomad):
    """Counts the requests that are under way at the same time, each of which has a connection."""

    now: ClassVar[int] = 0
    most: ClassVar[int] = 0

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        Counted.now += 1
        Counted.most = max(Counted.most, Counted.now)
        try:
            yield
        finally:
            Counted.now -= 1

    async def call(self, *args: Any, **options: Any) -> Any:
        async with self._counted():
            return await super().call(*args, **options)

    @asynccontextmanager
    async def stream(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        async with self._counted(), super().stream(*args, **options) as response:
            yield response


@pytest.fixture(autouse=True)
def counting() -> None:
    """From nothing."""
    Counted.most = 0


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """A scheduler to which many nodes are connected from one address."""
    lab = NomadLab(tmp_path_factory.mktemp("crowd") / "lab", clients=0, heartbeat="600s")
    try:
        lab.up()
        with named_nodes(lab, sorted(NAMES), SITE, GROUP):
            yield lab
    finally:
        lab.down()


def members(
    lab: NomadLab,
    act: Callable[[ClientMembers], Awaitable[Any]],
    *,
    drain_s: int = 30,
    permitted: Permissions = NOTHING,
) -> Any:
    """What the group of work nodes comes to, as a run of the provider has it."""

    async def run() -> Any:
        async with Counted(lab.access()) as nomad:
            told = {"ready_s": 30, "drain_s": drain_s, "permitted": permitted}
            return await act(ClientMembers(nomad, SITE, GROUP, **told))

    return asyncio.run(run())


@pytest.mark.long
def test_a_server_holds_more_connections_of_one_address_than_it_would_by_itself(crowd: NomadLab):
    assert crowd.ready() == MANY

    async def all_wait() -> None:
        async with Nomad(crowd.access()) as nomad, asyncio.TaskGroup() as group:
            newest = await nomad.watch_nodes(0, 1)
            for _ in range(MANY):
                group.create_task(nomad.watch_nodes(newest, 1))

    asyncio.run(all_wait())


def test_the_pool_is_closed_over_few_connections(crowd: NomadLab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "Nomad", Counted)
    access = crowd.access()
    told = SchedulerInputs(
        addresses=access.addresses,
        rpc=(crowd.rpc,),
        ca_cert=access.ca_file.read_text(),
        cert=access.cert_file.read_text(),
        key=access.key_file.read_text(),
        token=access.token,
    )
    asyncio.run(Opening().delete(Call("urn", asyncio.Event()), OpeningInputs(scheduler=told), {}))
    assert 0 < Counted.most < FEW


def test_many_nodes_are_drained_over_few_connections(crowd: NomadLab):
    assert members(crowd, lambda group: group.drain(NAMES)) == {}
    assert Counted.most < FEW
    known = crowd.call("GET", "/v1/nodes")
    assert isinstance(known, list)
    assert {
        node["Name"] for node in known if node["SchedulingEligibility"] == "ineligible"
    } == NAMES


def test_many_nodes_are_forgotten_over_few_connections(crowd: NomadLab):
    members(crowd, lambda group: group.forget_others(frozenset({"n-0"})))
    assert Counted.most < FEW
    known = crowd.call("GET", "/v1/nodes")
    assert isinstance(known, list)
    assert [node["Name"] for node in known] == ["n-0"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """Two nodes that run work."""
    with nomad_lab(tmp_path_factory.mktemp("pair") / "lab") as lab:
        yield lab


@pytest.fixture
def bound(pair: NomadLab) -> Iterator[str]:
    """Work that fits on one node alone, and runs there; gives the id of its allocation."""
    task = {
        "Name": "sleep", "Driver": "raw_exec",
        "Config": {"command": "/bin/sleep", "args": ["86397"]},
        "Resources": {"CPU": 50, "MemoryMB": 32},
    }  # fmt: skip
    here = {"LTarget": "${node.unique.name}", "RTarget": BOUND, "Operand": "="}
    job = {
        "ID": "bound", "Datacenters": [SITE], "Type": "service", "Constraints": [here],
        "TaskGroups": [{"Name": "one", "Count": 1, "Tasks": [task]}],
    }  # fmt: skip
    pair.call("POST", "/v1/jobs", body={"Job": job})
    yield wait_for("the work", lambda: running(pair))
    pair.call("DELETE", "/v1/job/bound", params={"purge": "true"})
    members(pair, lambda group: group.wait_ready(BOUND))


def running(lab: NomadLab) -> str:
    """The allocation that runs; empty when none does."""
    found = lab.call("GET", "/v1/allocations")
    assert isinstance(found, list)
    return next((a["ID"] for a in found if a["ClientStatus"] == "running"), "")


def standing(lab: NomadLab) -> tuple[str, bool]:
    """Whether the node takes new work, and whether its work is being moved."""
    found = lab.call("GET", "/v1/nodes")
    assert isinstance(found, list)
    node = next(node for node in found if node["Name"] == BOUND)
    return node["SchedulingEligibility"], node["Drain"]


def drain(lab: NomadLab, drain_s: int, permitted: Permissions = NOTHING) -> dict[str, str]:
    """For each node that keeps its work, why."""
    held = members(
        lab,
        lambda group: group.drain(frozenset({BOUND})),
        drain_s=drain_s,
        permitted=permitted,
    )
    return dict(held)


def test_work_that_fits_nowhere_else_keeps_its_node_and_is_named(pair: NomadLab, bound: str):
    assert drain(pair, drain_s=2) == {
        BOUND: f"still runs bound (bound.one[0], {bound[:8]}) after 2 s of draining; it takes no "
        "new work. Stop or move that work and run up again, or run up with --force to stop it"
    }
    assert running(pair) == bound
    assert standing(pair) == ("ineligible", False)


def test_the_next_run_goes_on_where_the_deadline_ended_the_last(pair: NomadLab, bound: str):
    assert BOUND in drain(pair, drain_s=1)
    assert BOUND in drain(pair, drain_s=1), "the work has not moved yet"
    assert running(pair) == bound
    pair.call("DELETE", "/v1/job/bound")
    assert drain(pair, drain_s=60) == {}
    assert running(pair) == ""


@pytest.mark.usefixtures("bound")
def test_a_node_that_stays_after_all_takes_work_again(pair: NomadLab):
    assert BOUND in drain(pair, drain_s=1)
    members(pair, lambda group: group.wait_ready(BOUND))
    assert standing(pair) == ("eligible", False)


@pytest.mark.usefixtures("bound")
def test_work_is_stopped_where_that_is_permitted(pair: NomadLab):
    assert BOUND in drain(pair, drain_s=1, permitted=replace(FORCE, stop_work=False))
    assert drain(pair, drain_s=60, permitted=Permissions(stop_work=True)) == {}
    assert running(pair) == ""
    assert standing(pair)[0] == "ineligible"
