"""The picture of the pool: sums kept as things change equal sums made anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdc.plan.model import Size
from vdc.pool.readmodel import NOTHING, ReadModel, Sums, state_of, sums_of
from vdc.scheduler.model import Allocation, SchedulerNode
from vdc.scheduler.outcome import Job, Placement

_IDS = ["a", "b", "c"]


def node(node_id="a", index=1, status="ready", eligible=True, draining=False, group="g", **size):
    return SchedulerNode.of(
        {
            "ID": node_id,
            "Name": f"node-{node_id}",
            "Datacenter": "here",
            "NodeClass": group,
            "Status": status,
            "SchedulingEligibility": "eligible" if eligible else "ineligible",
            "Drain": draining,
            "ModifyIndex": index,
            "NodeResources": {
                "Cpu": {"CpuShares": size.get("cpu", 1000)},
                "Memory": {"MemoryMB": size.get("memory", 512)},
                "Disk": {"DiskMB": size.get("disk", 100)},
            },
        }
    )


def allocation(allocation_id="x", node_id="a", index=1, status="running", cpu=100):
    return Allocation.of(
        {
            "ID": allocation_id,
            "JobID": "web",
            "TaskGroup": "web",
            "NodeID": node_id,
            "ClientStatus": status,
            "ModifyIndex": index,
            "AllocatedResources": {
                "Tasks": {"t": {"Cpu": {"CpuShares": cpu}, "Memory": {"MemoryMB": 10}}},
                "Shared": {"DiskMB": 5},
            },
        }
    )


nodes = st.builds(
    node,
    st.sampled_from(_IDS),
    index=st.integers(1, 50),
    status=st.sampled_from(["ready", "down", "initializing", "disconnected"]),
    eligible=st.booleans(),
    draining=st.booleans(),
    group=st.sampled_from(["g", "h"]),
    cpu=st.integers(0, 3000),
)
allocations = st.builds(
    allocation,
    st.sampled_from(["x", "y", "z"]),
    node_id=st.sampled_from([*_IDS, "unknown"]),
    index=st.integers(1, 50),
    status=st.sampled_from(["pending", "running", "complete", "failed", "lost", "unknown"]),
    cpu=st.integers(0, 2000),
)
drops = st.sampled_from(_IDS)


def told(model: ReadModel, change: SchedulerNode | Allocation | str) -> None:
    match change:
        case SchedulerNode():
            model.put_node(change)
        case Allocation():
            model.put_allocation(change)
        case _:
            model.drop_node(change)


def summed_anew(model: ReadModel) -> dict[tuple[str, str], Sums]:
    sums: dict[tuple[str, str], Sums] = {}
    for known in model.nodes.values():
        key = (known.datacenter, known.node_class)
        sums[key] = sums.get(key, Sums()).plus(sums_of(known, model.allocated_on(known.id)))
    return sums


@given(st.lists(st.one_of(nodes, allocations, drops), max_size=60))
def test_sums_kept_by_events_equal_sums_made_anew(changes):
    model = ReadModel()
    live: dict[str, Allocation] = {}
    for change in changes:
        told(model, change)
        if isinstance(change, Allocation):
            known = live.get(change.id)
            if known is None or known.modify_index <= change.modify_index:
                live.pop(change.id, None)
                if change.live:
                    live[change.id] = change
    assert model.groups == summed_anew(model)
    for node_id in [*_IDS, "unknown"]:
        reserved = sum(one.cpu_mhz for one in live.values() if one.node_id == node_id)
        assert model.allocated_on(node_id).cpu_mhz == reserved
    assert model.running("web", "web") == sum(a.client_status == "running" for a in live.values())


@given(st.lists(st.one_of(nodes, allocations), max_size=30))
def test_events_told_twice_change_nothing(changes):
    once, twice = ReadModel(), ReadModel()
    for change in changes:
        told(once, change)
        told(twice, change)
        told(twice, change)
    assert once.groups == twice.groups


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "ready"),
        ({"status": "down"}, "down"),
        ({"status": "initializing"}, "down"),
        ({"status": "disconnected"}, "down"),
        ({"eligible": False}, "ineligible"),
        ({"eligible": False, "draining": True}, "draining"),
        ({"status": "down", "draining": True}, "down"),
    ],
)
def test_a_node_s_state_in_one_word(facts, state):
    assert state_of(node(**facts)) == state


def test_only_nodes_that_take_work_have_anything_free():
    model = ReadModel()
    model.put_node(node("a"))
    model.put_node(node("b", eligible=False))
    model.put_node(node("c", status="down"))
    model.put_allocation(allocation("x", "a"))
    model.put_allocation(allocation("y", "b"))
    model.put_allocation(allocation("z", "c"))
    (sums,) = model.groups.values()
    assert sums.total == Size(2000, 1024, 200)
    assert sums.allocated == Size(200, 20, 10)
    assert sums.free == Size(900, 502, 95)
    assert sums.counts == (1, 0, 1, 1)
    assert model.most_free() == Size(900, 502, 95)


def test_an_overbooked_node_has_nothing_free_rather_than_less():
    model = ReadModel()
    model.put_node(node("a", cpu=50))
    model.put_allocation(allocation("x", "a", cpu=100))
    assert model.most_free().cpu_mhz == 0


def test_a_dropped_node_leaves_no_group_behind():
    model = ReadModel()
    model.put_node(node("a"))
    model.drop_node("a")
    model.drop_node("a")
    assert model.groups == {}
    assert model.most_free() == NOTHING


def test_what_was_placed_goes_with_its_job():
    model = ReadModel()
    model.put_node(node("a"))
    model.put_allocation(allocation("x", "a"))
    model.drop_job("other", "web")
    assert model.running("web", "web") == 1
    model.drop_job("", "web")
    assert model.running("web", "web") == 0
    assert model.allocated_on("a") == NOTHING
    assert model.groups == summed_anew(model)


def test_the_newest_attempt_of_a_run_is_kept():
    model = ReadModel()

    def attempt(placement_id, created, modified):
        raw = {"ID": placement_id, "JobID": "run-1", "CreateIndex": created}
        return Placement.of({**raw, "ModifyIndex": modified})

    model.put_run(attempt("second", 5, 5))
    model.put_run(attempt("first", 1, 9))
    kept = model.run_placement("run-1")
    assert kept is not None
    assert kept.id == "second"
    model.put_job(Job.of({"ID": "run-1"}))
    model.drop_job("default", "run-1")
    assert model.run_placement("run-1") is None
