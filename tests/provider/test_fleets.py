"""The logic of fleets against a cloud that fails on command and a run that is cut at every call."""

import asyncio
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider.fleet_worlds import PREFIX, Cloud, CloudFleet, CloudPool, node
from provider.worlds import Cut, Knife
from vdc.provider.fleets import (
    Await,
    Converged,
    Grow,
    Instance,
    Retire,
    Want,
    converge,
    next_step,
    surplus,
)


def want(count: int, template: str = "v1", firm: int = 0) -> Want:
    return Want(PREFIX, count, template, 300, firm)


def run(
    cloud: Cloud,
    count: int,
    template: str = "v1",
    knife: Knife | None = None,
    stopping: bool = False,
    firm: int = 0,
) -> Converged:
    cloud.template = template
    stop = asyncio.Event()
    if stopping:
        stop.set()
    fleet, pool = CloudFleet(cloud, knife), CloudPool(cloud, knife)
    return asyncio.run(converge(fleet, pool, want(count, template, firm), stop))


def with_work(count: int, base: int = 1_000_000) -> Cloud:
    """A fleet with a piece of work on every machine."""
    cloud = Cloud(base=base)
    run(cloud, count, firm=min(base, count))
    cloud.work = {node(identity): {f"web-{identity}"} for identity in cloud.machines}
    cloud.calls.clear()
    cloud.most, cloud.least_ready = 0, 1_000_000
    return cloud


def assert_is(cloud: Cloud, count: int, template: str = "v1") -> None:
    assert len(cloud.machines) == count
    assert {i.template for i in cloud.machines.values()} <= {template}
    assert cloud.standing == {node(identity): "ready" for identity in cloud.machines}


def test_a_fleet_is_made_and_a_second_run_does_nothing():
    cloud = Cloud()
    assert run(cloud, 3).problems == ()
    assert_is(cloud, 3)
    assert cloud.calls == ["grow 3"]
    assert run(cloud, 3).problems == ()
    assert cloud.calls == ["grow 3"]


def test_growing_touches_no_machine_that_is_there():
    cloud = with_work(2)
    before = set(cloud.machines)
    assert run(cloud, 4).problems == ()
    assert cloud.calls == ["grow 4"]
    assert before < set(cloud.machines)
    assert_is(cloud, 4)


def test_shrinking_drains_all_surplus_at_once_and_ends_exactly_the_drained():
    cloud = with_work(5)
    assert run(cloud, 2).problems == ()
    drained, ended = cloud.calls
    assert drained.split()[1:] == ended.split()[1:]
    assert len(drained.split()) == 4
    assert cloud.lost_work == []
    assert sum(map(len, cloud.work.values())) == 5
    assert cloud.dismissed == {node(identity) for identity in ended.split()[1:]}
    assert_is(cloud, 2)


def test_shrinking_leaves_the_zones_even():
    cloud = with_work(6)
    run(cloud, 2)
    assert sorted(i.zone for i in cloud.machines.values()) == ["a", "b"]


def test_shrinking_keeps_the_base_that_the_cloud_may_not_take_back():
    cloud = with_work(5, base=2)
    first, *_, last = sorted(cloud.machines)
    cloud.machines[last] = replace(cloud.machines[last], spot=False)
    cloud.machines[first] = replace(cloud.machines[first], spot=True)
    assert run(cloud, 3, firm=2).problems == ()
    assert cloud.firm == 2
    assert run(cloud, 1, firm=2).problems == ()
    assert cloud.firm == 1
    assert cloud.lost_work == []
    assert_is(cloud, 1)


def test_a_base_that_is_not_ready_is_waited_for_before_others_go():
    cloud = with_work(4, base=1)
    (firm,) = (i for i in cloud.live if not i.spot)
    cloud.machines[firm.id] = replace(firm, state="pending")
    cloud.standing.pop(node(firm.id))
    assert run(cloud, 1, firm=1).problems == ()
    assert list(cloud.machines) == [firm.id]
    assert cloud.lost_work == []


@pytest.mark.parametrize("count", [1, 4, 20])
@pytest.mark.parametrize(("before", "after"), [(4, 0), (4, 1), (0, 2), (1, 1), (19, 19), (1, 3)])
def test_another_market_is_another_template_and_its_base_is_whole_in_the_end(count, before, after):
    cloud = with_work(count, base=before)
    cloud.base = after
    assert run(cloud, count, "v2", firm=after).problems == ()
    assert cloud.firm == min(after, count)
    assert cloud.least_ready == count
    assert cloud.most <= count + max(1, count // 10)
    assert cloud.lost_work == []
    assert_is(cloud, count, "v2")


def test_a_cloud_that_gives_the_market_alone_is_asked_once():
    cloud = with_work(3, base=0)
    ended = run(cloud, 3, firm=1)
    assert ended.problems == ("not 1 machines that the cloud may not take back",)
    assert [call.split()[0] for call in cloud.calls] == ["grow", "drain", "end"]
    assert_is(cloud, 3)


def test_a_machine_that_keeps_its_work_stays_and_is_named_and_the_others_go():
    cloud = with_work(5)
    goes = [i.id for i in surplus(2, cloud.live)]
    cloud.stuck = {node(goes[0])}
    ended = run(cloud, 2)
    assert ended.problems == (f"node {node(goes[0])}: still runs web",)
    assert len(cloud.machines) == 3
    assert len(cloud.calls) == 2, "no other one is tried in its place"
    cloud.stuck.clear()
    assert run(cloud, 2).problems == ()
    assert goes[0] not in cloud.machines
    assert_is(cloud, 2)


def test_a_changed_template_replaces_by_a_tenth_and_capacity_never_falls():
    cloud = with_work(30)
    old = set(cloud.machines)
    assert run(cloud, 30, "v2").problems == ()
    assert cloud.most == 33
    assert cloud.least_ready == 30
    assert cloud.lost_work == []
    assert not old & set(cloud.machines)
    assert cloud.calls[0] == "grow 33"
    assert_is(cloud, 30, "v2")


def test_one_machine_is_replaced_by_a_second_one():
    cloud = with_work(1)
    assert run(cloud, 1, "v2").problems == ()
    assert cloud.calls == ["grow 2", "drain i-0001", "end i-0001"]
    assert cloud.lost_work == []


def test_fewer_machines_of_another_template():
    cloud = with_work(4)
    assert run(cloud, 2, "v2").problems == ()
    assert cloud.most <= 4
    assert cloud.lost_work == []
    assert_is(cloud, 2, "v2")


def test_a_template_that_does_not_work_costs_one_machine_more_and_no_work():
    cloud = with_work(5)
    cloud.bad_templates = {"v2"}
    ended = run(cloud, 5, "v2")
    assert ended.problems == (
        f"node {node('i-0006')}: not ready after 1 s: it has not registered; stage agent",
    )
    assert [call.split()[0] for call in cloud.calls] == ["grow"]
    assert len(cloud.machines) == 6
    # The next run has a template that works; what never joined goes, and loses nothing.
    cloud.age()
    cloud.calls.clear()
    assert run(cloud, 5, "v3").problems == ()
    assert cloud.calls[0] == "drain i-0006"
    assert cloud.lost_work == []
    assert_is(cloud, 5, "v3")


def test_a_machine_that_never_joined_is_replaced_by_the_next_run():
    cloud = Cloud(never_ready={"i-0001"})
    assert len(run(cloud, 2).problems) == 1
    cloud.age()
    assert run(cloud, 2).problems == ()
    assert "i-0001" not in cloud.machines
    assert_is(cloud, 2)


def test_a_pool_that_has_lost_sight_of_all_costs_no_machine():
    cloud = with_work(5)
    cloud.age()
    cloud.standing = dict.fromkeys(cloud.standing, "lost")
    cloud.never_ready = {f"i-{n:04d}" for n in range(20)}
    assert len(run(cloud, 5).problems) == 1
    assert len(cloud.machines) == 6
    assert cloud.lost_work == []


def test_what_the_cloud_cannot_make_is_said_in_its_words_and_what_came_is_used():
    cloud = Cloud(room=3)
    ended = run(cloud, 5)
    assert ended.problems == ("not 5 machines: the limit of machines is reached",)
    assert_is(cloud, 3)
    cloud.room = 5
    assert run(cloud, 5).problems == ()
    assert_is(cloud, 5)


def test_no_room_for_a_second_machine_replaces_none():
    cloud = with_work(3)
    cloud.room = 3
    assert len(run(cloud, 3, "v2").problems) == 1
    assert_is(cloud, 3)


def test_what_does_not_end_is_a_problem_and_gone_is_not_said():
    cloud = with_work(3)
    goes = [i.id for i in surplus(2, cloud.live)]
    cloud.immortal = set(goes)
    assert run(cloud, 2).problems == (f"{goes[0]} is still shutting-down",)
    cloud.immortal.clear()
    assert run(cloud, 2).problems == ()
    assert_is(cloud, 2)


def test_a_machine_that_died_is_forgotten_and_its_successor_waited_for():
    cloud = with_work(3)
    del cloud.machines["i-0002"]
    cloud.make()  # as the cloud does by itself
    assert run(cloud, 3).problems == ()
    assert cloud.calls == []
    assert_is(cloud, 3)


def test_a_machine_that_is_ending_counts_for_nothing_and_is_not_forgotten_yet():
    cloud = with_work(2)
    ending = cloud.machines["i-0001"]
    cloud.machines["i-0001"] = Instance(ending.id, "ending", ending.template)
    assert run(cloud, 2).problems == ()
    assert cloud.calls == ["grow 2"]
    assert len(cloud.live) == 2
    assert node("i-0001") in cloud.standing


def test_a_drain_that_was_cut_off_is_taken_back_when_the_machine_is_wanted_again():
    cloud = with_work(3)
    cloud.standing[node("i-0002")] = "leaving"
    assert run(cloud, 3).problems == ()
    assert_is(cloud, 3)


def test_an_interrupted_run_begins_nothing_new_and_says_what_it_left():
    cloud = with_work(3)
    goes = surplus(2, cloud.live)[0].id
    assert run(cloud, 4, stopping=True).problems == (
        "not 4 machines: not begun, the run was interrupted",
    )
    assert run(cloud, 2, stopping=True).problems == (
        f"node {node(goes)}: not removed, the run was interrupted",
    )
    assert cloud.calls == []


def test_four_thousand_machines_are_made_and_removed_in_two_steps():
    cloud = Cloud()
    assert run(cloud, 4000).problems == ()
    assert run(cloud, 0).problems == ()
    assert [call.split()[0] for call in cloud.calls] == ["grow", "drain", "end"]
    assert cloud.machines == {}


CHANGES = {
    "made": (0, 12, "v1"),
    "grown": (4, 12, "v1"),
    "shrunk": (12, 3, "v1"),
    "replaced": (6, 6, "v2"),
    "replaced and grown": (4, 8, "v2"),
    "replaced and shrunk": (8, 4, "v2"),
    "emptied": (8, 0, "v1"),
}


def cuts_of(change: str) -> int:
    before, after, template = CHANGES[change]
    cloud = with_work(before)
    knife = Knife()
    run(cloud, after, template, knife)
    return knife.count


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_run_cut_at_every_call_is_completed_by_the_next(change: str):
    before, after, template = CHANGES[change]
    cuts = cuts_of(change)
    assert cuts >= 25
    for at in range(1, cuts + 1):
        cloud = with_work(before)
        with pytest.raises((Cut, BaseExceptionGroup)):
            run(cloud, after, template, Knife(at))
        assert run(cloud, after, template).problems == ()
        assert_is(cloud, after, template)
        assert cloud.most <= max(before, after) + max(1, after // 10)
        if after:
            assert cloud.lost_work == []


def test_the_cuts_are_two_hundred_and_more():
    assert sum(cuts_of(change) for change in CHANGES) > 200


# Drawn whole: seven draws for each machine would take longer than what is tried with them.
looks = st.sampled_from(
    tuple(
        product(
            ("pending", "running", "ending"),
            ("v1", "v2"),
            ("a", "b"),
            (0, 10_000),
            ("ready", "leaving", "lost", None),
            (False, True),
        )
    )
)
machines = st.dictionaries(st.sampled_from([f"i-{n}" for n in range(9)]), looks).map(
    lambda found: [(identity, *look) for identity, look in found.items()]
)


@given(machines, st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=400)
def test_whatever_is_found_a_run_comes_to_what_is_wanted(found, count, firm):
    cloud = Cloud(made=100, base=firm)
    for identity, state, template, zone, age_s, standing, spot in found:
        cloud.machines[identity] = Instance(identity, state, template, "", zone, age_s, spot)
        if standing:
            cloud.standing[node(identity)] = standing
    ready = {node(i.id) for i in cloud.live if cloud.standing.get(node(i.id)) == "ready"}
    cloud.work = {name: {f"w-{name}"} for name in ready}
    assert run(cloud, count, "v1", firm=firm).problems == ()
    assert len(cloud.live) == count
    assert cloud.firm >= min(firm, count)
    assert {i.template for i in cloud.live} <= {"v1"}
    assert all(cloud.standing[node(i.id)] == "ready" for i in cloud.live)
    if count:
        assert cloud.lost_work == []


@given(machines, st.integers(0, 9), st.sets(st.sampled_from([f"i-{n}" for n in range(9)])))
@settings(max_examples=400)
def test_what_failed_is_left_alone_and_holds_up_what_is_new(found, count, failed):
    instances = [Instance(i, state, t, "", z, age, s) for i, state, t, z, age, _, s in found]
    standing = {node(m[0]): m[5] for m in found if m[5]}
    step = next_step(want(count), instances, standing, failed, held=True)
    assert not isinstance(step, Grow)
    if isinstance(step, Await | Retire):
        assert not failed & {i.id for i in step.instances}
        assert {i.template for i in step.instances} == {"v1"}
        assert "ending" not in {i.state for i in step.instances}
