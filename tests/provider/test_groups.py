"""The group logic against a back end that fails on command and a run that is cut at every call."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provider.worlds import Cut, Knife, World, WorldDriver, WorldMembers
from vdc.errors import SchedulerError
from vdc.provider.drivers import NodeFacts
from vdc.provider.groups import converge, steps


def names(count: int, first: int = 0) -> tuple[str, ...]:
    return tuple(f"n-{index}" for index in range(first, first + count))


def run(world: World, wanted: tuple[str, ...], digest: str = "v1", knife: Knife | None = None):
    driver, members = WorldDriver(world, digest, knife), WorldMembers(world, knife)
    return asyncio.run(converge(driver, members, wanted, asyncio.Event()))


def assert_is(world: World, wanted: tuple[str, ...], digest: str = "v1") -> None:
    assert sorted(world.nodes) == sorted(wanted)
    assert {node.state for node in world.nodes.values()} <= {"running"}
    assert {node.digest for node in world.nodes.values()} <= {digest}
    assert not world.ineligible
    assert world.known == set(wanted)
    assert not world.litter


def test_a_group_is_made_and_a_second_run_does_nothing():
    world = World()
    assert run(world, names(3)).problems == ()
    assert_is(world, names(3))
    done = list(world.calls)
    assert run(world, names(3)).problems == ()
    assert world.calls == done


def test_growing_touches_no_node_that_is_there():
    world = World()
    run(world, names(3))
    world.calls.clear()
    run(world, names(5))
    assert sorted(world.calls) == ["create n-3", "create n-4"]


def test_shrinking_drains_all_surplus_before_any_removal_and_loses_no_work():
    world = World()
    run(world, names(5))
    world.work = {name: {f"web-{name}"} for name in names(5)}
    world.calls.clear()
    assert run(world, names(2)).problems == ()
    assert world.calls[0] == "drain n-2 n-3 n-4"
    assert world.lost_work == []
    assert sum(len(work) for work in world.work.values()) == 5
    assert_is(world, names(2))


def test_nothing_is_made_while_a_lost_node_of_that_name_may_pass_for_ready():
    world = World(deaf=True)
    with pytest.raises(SchedulerError):
        run(world, names(3))
    assert world.calls == []


def test_a_pool_that_forgets_nobody_keeps_no_removal_from_its_end():
    world = World()
    run(world, names(3))
    world.deaf = True
    assert run(world, names(1)).problems == ()
    assert sorted(world.nodes) == ["n-0"]


def test_a_node_that_keeps_its_work_stays_and_is_named_and_the_others_go():
    world = World(stuck={"n-3"})
    run(world, names(5))
    ended = run(world, names(2))
    assert ended.problems == ("node n-3: still runs web",)
    assert sorted(world.nodes) == ["n-0", "n-1", "n-3"]
    assert sorted(node.name for node in ended.nodes) == ["n-0", "n-1", "n-3"]


def test_a_node_that_cannot_be_made_is_named_with_its_stage_and_holds_up_no_other():
    world = World(broken={"n-1"})
    ended = run(world, names(3))
    assert ended.problems == ("node n-1: boot: no space left",)
    assert {node.name: node.state for node in ended.nodes} == {
        "n-0": "running",
        "n-1": "partial",
        "n-2": "running",
    }
    world.broken.clear()
    assert run(world, names(3)).problems == ()
    assert_is(world, names(3))


def test_what_is_not_ours_is_refused_and_left_alone():
    world = World(foreign={"n-0"})
    ended = run(world, names(2))
    assert ended.problems == ("node n-0: n-0 is not ours",)
    assert sorted(world.nodes) == ["n-1"]


def test_a_changed_template_changes_a_tenth_at_a_time_and_keeps_the_work():
    world = World()
    run(world, names(30))
    world.work = {"n-7": {"web"}}
    world.most_at_once = 0
    run(world, names(30), digest="v2")
    assert world.most_at_once == 3
    assert world.work == {"n-7": {"web"}}
    assert_is(world, names(30), "v2")


STEPS = ("drain", "delete", "forget", "create")


def test_nodes_that_must_be_replaced_are_drained_before_and_a_tenth_is_away_at_most():
    world = World(replaces=True)
    run(world, names(30))
    world.work = {name: {f"web-{name}"} for name in names(30)}
    world.calls.clear()
    assert run(world, names(30), digest="v2").problems == ()
    assert world.most_away == 3
    assert world.lost_work == []
    for name in names(30):
        order = [world.calls.index(f"{what} {name}") for what in STEPS]
        assert order == sorted(order)
    assert_is(world, names(30), "v2")


def test_a_node_that_keeps_its_work_is_not_replaced():
    world = World(replaces=True, stuck={"n-0"})
    run(world, names(1))
    assert run(world, names(1), digest="v2").problems == ("node n-0: still runs web",)
    assert world.nodes["n-0"].digest == "v1"


def test_a_node_that_the_group_cannot_spare_is_changed_in_place_and_not_replaced():
    world = World(vital={"n-0"})
    run(world, names(1))
    assert run(world, names(1), digest="v2").problems == ()
    world.replaces = True
    assert run(world, names(1), digest="v3").problems == ("node n-0: not replaced",)
    assert_is(world, names(1), "v2")


def test_a_template_that_does_not_work_costs_one_node_and_no_more():
    world = World(replaces=True)
    run(world, names(5))
    world.never_ready.add("n-0")
    ended = run(world, names(5), digest="v2")
    assert ended.problems == (
        "node n-0: not ready after 1 s; stage agent: it said nothing",
        *(f"node n-{n}: not begun, because n-0 failed" for n in range(1, 5)),
    )
    assert [node.digest for _, node in sorted(world.nodes.items())] == ["v2", *["v1"] * 4]


def test_a_node_whose_back_end_does_not_answer_is_named_and_the_others_go_on():
    world = World()
    run(world, names(2))
    world.nodes["n-1"] = NodeFacts(
        "n-1", "unreachable", "", (("reason", "host b: connection refused"),)
    )
    world.calls.clear()
    assert run(world, names(3), digest="v2").problems == (
        "node n-1: host b: connection refused; it was left alone",
    )
    assert world.calls == ["create n-2", "create n-0"]


def test_four_thousand_nodes_are_made_a_bounded_number_at_once():
    world = World()
    assert run(world, names(4000)).problems == ()
    assert world.most_at_once == WorldDriver.at_once
    assert len(world.nodes) == 4000


def test_what_cannot_be_tidied_away_is_named():
    world = World(littered_for_good=True)
    assert run(world, names(1)).problems == ("host a: cannot remove an image",)
    world.littered_for_good = False
    assert run(world, names(1)).problems == ()
    assert_is(world, names(1))


def test_nobody_waits_for_another_node_to_boot():
    world = World()
    wanted = names(3 * WorldDriver.at_once)
    all_begun = asyncio.Barrier(len(wanted))

    class Slow(WorldMembers):
        async def wait_ready(self, name: str) -> None:
            """No node is ready before the last one was begun."""
            await all_begun.wait()
            await super().wait_ready(name)

    made = converge(WorldDriver(world), Slow(world), wanted, asyncio.Event())
    assert asyncio.run(asyncio.wait_for(made, 10)).problems == ()


def test_an_interrupted_run_begins_nothing_new_and_says_what_it_left():
    world = World()
    stopping = asyncio.Event()
    stopping.set()

    async def interrupted():
        return await converge(WorldDriver(world), WorldMembers(world), names(2), stopping)

    ended = asyncio.run(interrupted())
    assert ended.problems == (
        "node n-0: not begun, the run was interrupted",
        "node n-1: not begun, the run was interrupted",
    )
    assert world.nodes == {}


def effects_of(change: str) -> int:
    before, after, digest = CHANGES[change]
    world = World(replaces=change == "replaced")
    run(world, before)
    knife = Knife()
    run(world, after, digest, knife)
    return knife.count


CHANGES = {
    "made": (names(0), names(12), "v1"),
    "grown": (names(4), names(12), "v1"),
    "shrunk": (names(12), names(3), "v1"),
    "renewed": (names(8), names(8), "v2"),
    "replaced": (names(6), names(6), "v2"),
    "emptied": (names(8), names(0), "v1"),
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_run_cut_at_every_call_is_completed_by_the_next(change: str):
    before, after, digest = CHANGES[change]
    cuts = effects_of(change)
    assert cuts >= 25
    for at in range(1, cuts + 1):
        world = World(replaces=change == "replaced")
        run(world, before)
        world.work = {name: {f"w-{name}"} for name in before}
        with pytest.raises((Cut, BaseExceptionGroup)):
            run(world, after, digest, Knife(at))
        # Whatever stands now bears the mark of its group, so the next run sees it.
        assert run(world, after, digest).problems == ()
        assert_is(world, after, digest)
        if after:
            assert world.lost_work == []


def test_the_cuts_are_two_hundred_and_more():
    assert sum(effects_of(change) for change in CHANGES) > 200


@given(
    st.lists(st.sampled_from(names(8)), unique=True),
    st.lists(
        st.tuples(
            st.sampled_from(names(10)),
            st.sampled_from(["running", "stopped", "partial", "unreachable"]),
            st.sampled_from(["v1", "v2"]),
        ),
        unique_by=lambda node: node[0],
    ),
)
@settings(max_examples=300)
def test_steps_part_wanted_and_owned_without_remainder(wanted, owned):
    nodes = [NodeFacts(*node) for node in owned]
    todo = steps(wanted, nodes, "v1")
    have = {node.name: node for node in nodes}
    assert set(todo.remove) == set(have) - set(wanted)
    assert not set(todo.make) & set(todo.change)
    right = {n for n, node in have.items() if node.state == "running" and node.digest == "v1"}
    unknown = {n for n, node in have.items() if node.state == "unreachable"} & set(wanted)
    assert set(todo.unknown) == unknown
    assert set(todo.make) | set(todo.change) == set(wanted) - right - unknown
