"""Work nodes as a real scheduler knows them: many behind one address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from named_nodes import named_nodes
from nomad_lab import GROUP, SITE, NomadLab
from vdc.scheduler.client import Nomad

pytestmark = pytest.mark.real

MANY = 150
NAMES = frozenset(f"n-{index}" for index in range(MANY))


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


def test_a_server_holds_more_connections_of_one_address_than_it_would_by_itself(crowd: NomadLab):
    assert crowd.ready() == MANY

    async def all_wait() -> None:
        async with Nomad(crowd.access()) as nomad, asyncio.TaskGroup() as group:
            newest = await nomad.watch_nodes(0, 1)
            for _ in range(MANY):
                group.create_task(nomad.watch_nodes(newest, 1))

    asyncio.run(all_wait())
