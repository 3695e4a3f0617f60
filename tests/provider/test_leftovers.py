"""What is ours at a back end and in no state, and how it goes: with a kind made for the test."""

from __future__ import annotations

import asyncio
import sys

import pytest

from provider.clouds import Cloud, site, thing
from vdc.declaration.cloud import CloudSite
from vdc.declaration.kinds import NAMES
from vdc.declaration.registry import KINDS
from vdc.errors import MissingExtraError, NodeError
from vdc.plan import Control, Plan
from vdc.provider import leftovers
from vdc.provider.backends import backend, preflight
from vdc.provider.leftovers import carried, mentioned, remove, unrecorded

NORTH, SOUTH = site("north", "cirrus"), site("south", "cirrus")


@pytest.fixture
def cloud(monkeypatch):
    """A back end, registered as the kind ``cirrus`` for this test alone."""
    made = Cloud()
    monkeypatch.setitem(sys.modules, "vdc.provider.drivers.cirrus", made.kind("cirrus"))
    return made


def listed(*sites):
    return asyncio.run(carried(sites, "dc", "blue"))


def ids(some):
    return [one.thing.id for one in some]


def test_a_kind_without_a_back_end_is_not_asked():
    assert backend("local") is None
    assert listed(site("here", "local")) == ()


@pytest.mark.parametrize("kind", NAMES)
def test_who_rents_machines_can_be_asked_what_is_there(kind):
    """And only they: elsewhere nobody sends a bill for what is forgotten."""
    assert (backend(kind) is not None) is issubclass(KINDS[kind].site, CloudSite)


def test_only_what_carries_both_marks_is_listed(cloud):
    cloud.things = [thing("a"), thing("b", stack="green"), thing("c", site="elsewhere")]
    assert ids(listed(NORTH)) == ["a", "c"]


def test_what_two_sites_of_one_account_show_is_listed_once_and_by_its_own_site(cloud):
    cloud.things = [thing("a"), thing("b", site="south"), thing("c", site="dropped")]
    found = listed(NORTH, SOUTH)
    assert ids(found) == ["a", "c", "b"]
    assert {one.thing.id: one.at.name for one in found}["b"] == "south"


def test_a_back_end_that_cannot_be_read_gives_no_half_list(cloud):
    def asks(which):
        if which.name == "south":
            raise NodeError("503")

    cloud.things, cloud.asks = [thing("a")], asks
    with pytest.raises(NodeError, match="503"):
        listed(NORTH, SOUTH)


@pytest.mark.parametrize(
    ("resource", "recorded"),
    [
        ({"id": "a"}, True),
        ({"id": "x", "outputs": {"nodes": {"n-0": {"server": "a"}}}}, True),
        ({"id": "x", "outputs": {"ids": ["b", "a"]}}, True),
        ({"id": "x", "inputs": {"a": 1}}, True),
        ({"id": "x", "outputs": {"fleet": "whole"}}, True),
        ({"id": "x", "outputs": {"text": "see a and whole"}}, False),
        ({"id": "aa", "urn": "a"}, False),
        (
            {"id": "x", "outputs": {"secret": {"ciphertext": "v1:"}, "count": 3, "none": None}},
            False,
        ),
    ],
)
def test_a_state_records_what_it_mentions_as_a_whole(cloud, resource, recorded):
    cloud.things = [thing("a", 0, "whole")]
    left = unrecorded(listed(NORTH), mentioned([resource]))
    assert (not left) is recorded


def test_without_a_state_everything_is_unrecorded(cloud):
    cloud.things = [thing("a"), thing("b")]
    assert ids(unrecorded(listed(NORTH), mentioned([]))) == ["a", "b"]


def test_what_needs_something_goes_before_it_and_each_is_told(cloud):
    cloud.things = [thing("net", 2), thing("port", 1), thing("one"), thing("two")]
    said = []
    assert not asyncio.run(remove(listed(NORTH), "dc", "blue", said.append))
    assert cloud.removed == ["one", "two", "port", "net"]
    assert cloud.things == []
    assert "gone from north: server name-of-net (net)" in said
    assert len(said) == 4


def test_what_cannot_go_keeps_what_it_may_need_and_no_other_site(cloud):
    cloud.things = [thing("one"), thing("two"), thing("net", 1), thing("far", 1, site="south")]
    cloud.stuck = {"one"}
    problems = asyncio.run(remove(listed(NORTH, SOUTH), "dc", "blue"))
    assert {one.thing.id: why for one, why in problems.items()} == {
        "one": "409 it is in use",
        "net": "not tried: what may need it is still there",
    }
    assert {one.id for one in cloud.things} == {"one", "net"}


def test_what_takes_its_time_to_go_holds_up_what_it_needs_and_nothing_else(cloud, monkeypatch):
    monkeypatch.setattr(leftovers, "_ASK_AGAIN_S", 0.0)
    cloud.things = [thing("slow"), thing("fast"), thing("net", 1)]
    cloud.ending = {"slow": 3}
    said = []
    assert not asyncio.run(remove(listed(NORTH), "dc", "blue", said.append))
    assert cloud.removed == ["fast", "slow", "net"]
    assert [line.rpartition("(")[2] for line in said] == ["fast)", "slow)", "net)"]


def test_what_never_goes_is_told_of_once_nothing_has_gone_for_long(cloud, monkeypatch):
    monkeypatch.setattr(leftovers, "_ASK_AGAIN_S", 0.0)
    monkeypatch.setattr(leftovers, "_PATIENCE_S", 0.01)
    cloud.things, cloud.ending = [thing("a"), thing("net", 1)], {"a": 10**9}
    problems = asyncio.run(remove(listed(NORTH), "dc", "blue"))
    assert {one.thing.id: why for one, why in problems.items()} == {
        "a": "still there, and nothing has gone for 0 s",
        "net": "not tried: what may need it is still there",
    }


def test_thousands_begin_to_go_before_the_first_is_gone(cloud, monkeypatch):
    """So 4,000 take the time of their requests, eight at once, and that of the slowest end."""
    monkeypatch.setattr(leftovers, "_ASK_AGAIN_S", 0.0)
    names = [f"s{index}" for index in range(4000)]
    cloud.things, cloud.answer_s = [thing(name) for name in names], 0.001
    cloud.ending = dict.fromkeys(names, 10)
    assert not asyncio.run(remove(listed(NORTH), "dc", "blue"))
    assert sorted(cloud.removed) == sorted(names)
    assert cloud.things == []
    assert (cloud.busy, cloud.looks) == (8, 10)


def test_gone_is_what_is_no_longer_listed(cloud):
    cloud.things, cloud.lying = [thing("a"), thing("b")], {"b"}
    problems = asyncio.run(remove(listed(NORTH), "dc", "blue"))
    assert {one.thing.id: why for one, why in problems.items()} == {
        "b": "it is said to be gone and still listed"
    }


def test_what_cannot_be_seen_at_the_end_is_not_said_to_be_gone(cloud):
    cloud.things = [thing("a")]
    found = listed(NORTH)

    def asks(_site):
        raise NodeError("503")

    cloud.asks = asks
    problems = asyncio.run(remove(found, "dc", "blue"))
    assert list(problems.values()) == ["whether it is gone cannot be seen: 503"]


def plan(*sites):
    return Plan("dc", "USD", tuple(sites), (), Control("north", 1, (), ()))


def test_preflight_asks_every_site_and_a_silent_one_is_a_finding(cloud):
    def asks(which):
        if which.name == "south":
            raise NodeError("401 the password is wrong")

    cloud.asks = asks
    (finding,) = asyncio.run(preflight(plan(NORTH, SOUTH, site("here", "local")), "blue", ()))
    assert finding.path == ("sites", "south")
    assert finding.message == "cannot be asked (401 the password is wrong)"


def test_a_missing_package_names_the_extra_and_its_line(cloud):
    def asks(_site):
        import cirrus_sdk.compute  # noqa: F401

    cloud.asks = asks
    (finding,) = asyncio.run(preflight(plan(NORTH), "blue", ()))
    assert finding.path == ("sites", "north", "kind")
    assert finding.message == "sites of kind cirrus need the Python package cirrus_sdk"
    assert finding.remedy == "install it with: pip install 'vdc[cirrus]'"
    with pytest.raises(MissingExtraError, match=r"vdc\[cirrus\]"):
        listed(NORTH)


def test_a_module_of_ours_that_is_missing_is_a_defect():
    with pytest.raises(ModuleNotFoundError):
        backend("no_such_kind")
