"""Events reach every listener, and no listener can make the service grow."""

from __future__ import annotations

import asyncio

import pytest

from vdc.client.models import Event
from vdc.pool.hub import Hub


def event(name: str) -> Event:
    return Event(kind="node", name=name, state="ready")


async def drained(listener) -> list[str]:
    names = []
    while (numbered := await asyncio.wait_for(listener.next(), 1)) is not None:
        names.append(numbered.event.name)
    return names


def test_a_new_listener_is_told_to_read_everything_and_then_what_follows():
    async def scenario():
        hub = Hub()
        hub.publish(event("before"))
        with hub.listen() as (missed, listener):
            hub.publish(event("after"))
            hub.close()
            return [one.event.kind for one in missed], await drained(listener)

    assert asyncio.run(scenario()) == (["reset"], ["after"])


def test_a_listener_resumes_after_the_last_event_it_saw():
    hub = Hub()
    with hub.listen() as (missed, _):
        assert [one.event.kind for one in missed] == ["reset"]
        last = missed[0].id
    with hub.listen(last) as (missed, _):
        assert missed == []
    hub.publish(event("a"))
    hub.publish(event("b"))
    with hub.listen(last) as (missed, _):
        assert [one.event.name for one in missed] == ["a", "b"]
        last = missed[0].id
    with hub.listen(last) as (missed, _):
        assert [one.event.name for one in missed] == ["b"]


@pytest.mark.parametrize("nonsense", ["-", "x-1", "1", "-1", "{life}-99", "{life}-", "{life}--1"])
def test_an_id_that_was_never_given_is_a_reset(nonsense):
    hub = Hub()
    with hub.listen() as (missed, _):
        life = missed[0].id.partition("-")[0]
    with hub.listen(nonsense.format(life=life)) as (missed, _):
        assert [one.event.kind for one in missed] == ["reset"]


def test_a_gap_longer_than_the_memory_is_a_reset():
    hub = Hub(remembered=2)
    hub.publish(event("a"))
    with hub.listen() as (missed, _):
        last = missed[0].id
    for name in "bcd":
        hub.publish(event(name))
    with hub.listen(last) as (missed, _):
        assert [one.event.kind for one in missed] == ["reset"]


def test_an_id_of_an_earlier_life_is_a_reset():
    earlier = Hub()
    earlier.publish(event("a"))
    with earlier.listen() as (missed, _):
        last = missed[0].id
    hub = Hub()
    hub.publish(event("a"))
    with hub.listen(last) as (missed, _):
        assert [one.event.kind for one in missed] == ["reset"]


def test_a_slow_listener_is_cut_off_after_what_it_was_owed():
    async def scenario():
        hub = Hub(queue=3)
        with hub.listen() as (_, slow), hub.listen() as (_, quick):
            for name in "abcde":
                hub.publish(event(name))
                assert (await quick.next()).event.name == name
            assert slow.closed
            assert not quick.closed
            return await drained(slow)

    assert asyncio.run(scenario()) == ["a", "b", "c"]


def test_listeners_are_forgotten_and_a_closed_hub_ends_new_ones():
    async def scenario():
        hub = Hub()
        with hub.listen():
            pass
        hub.close()
        with hub.listen() as (_, late):
            return await drained(late)

    assert asyncio.run(scenario()) == []
