"""Work nodes as a real scheduler knows them: many are drained, closed and forgotten at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from named_nodes import named_nodes
from nomad_lab import GROUP, SITE, NomadLab
from vdc.provider import connection
from vdc.provider.connection import SchedulerInputs
from vdc.provider.members import ClientMembers
from vdc.provider.permissions import Permissions
from vdc.provider.resource import Call
from vdc.provider.resources.opening import Opening, OpeningInputs
from vdc.scheduler.client import Nomad

pytestmark = pytest.mark.real

MANY = 150
NAMES = frozenset(f"n-{index}" for index in range(MANY))
# Far below what a server of the scheduler takes from one address by itself: 100.
FEW = 20


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


def members(lab: NomadLab, act: Callable[[ClientMembers], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Counted(lab.access()) as nomad:
            group = ClientMembers(
                nomad, SITE, GROUP, ready_s=30, drain_s=30, permitted=Permissions()
            )
            return await act(group)

    return asyncio.run(run())


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
