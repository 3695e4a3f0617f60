"""What the user permits: each stands alone, and only what is named is permitted."""

import asyncio
from dataclasses import fields

import pytest

from vdc.errors import SchedulerError
from vdc.provider.members import ClientMembers
from vdc.provider.permissions import FORCE, VARIABLE, Permissions
from vdc.provider.resource import Call
from vdc.provider.resources.opening import Opening, OpeningInputs
from vdc.scheduler.client import Nomad

NAMES = [field.name for field in fields(Permissions)]


@pytest.mark.parametrize("name", NAMES)
def test_each_reaches_the_provider_alone(name):
    alone = Permissions(**{name: True})
    assert Permissions.of(alone.environment) == alone
    assert alone != Permissions()


def test_nothing_is_permitted_by_itself_and_everything_by_force():
    assert Permissions.of({}) == Permissions.of({VARIABLE: "1 yes"}) == Permissions()
    assert Permissions.of(FORCE.environment) == FORCE
    assert all(getattr(FORCE, name) for name in NAMES)


class Leaderless(Nomad):
    """A scheduler whose servers answer and cannot act."""

    def __init__(self):
        """Nothing is connected."""

    async def __aexit__(self, *_):
        """Nor closed."""

    async def call(self, *_, **__):
        raise SchedulerError("No cluster leader", 500)


def drained(permitted: Permissions):
    told = {"ready_s": 1, "drain_s": 1, "permitted": permitted}
    return asyncio.run(ClientMembers(Leaderless(), "here", "g", **told).drain(frozenset({"n"})))


def test_nodes_go_without_the_pool_only_where_that_is_permitted():
    assert drained(Permissions(without_pool=True)) == {}
    others = Permissions(stop_work=True, forget_silent=True, unhealthy=True)
    for permitted in (Permissions(), others):
        with pytest.raises(SchedulerError, match="No cluster leader"):
            drained(permitted)


def test_a_pool_that_cannot_be_closed_is_given_up_only_where_that_is_permitted(monkeypatch):
    inputs = OpeningInputs.model_construct(scheduler=Connecting())
    closing = Opening().delete
    with pytest.raises(SchedulerError, match="No cluster leader"):
        asyncio.run(closing(Call("urn", asyncio.Event()), inputs, {}))
    monkeypatch.setenv(VARIABLE, "without_pool")
    asyncio.run(closing(Call("urn", asyncio.Event()), inputs, {}))


class Connecting:
    """Where such a scheduler is."""

    def connect(self):
        return Leaderless()
