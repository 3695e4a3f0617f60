"""Ports of agents that share a machine."""

import socket
from contextlib import closing

import pytest

from vdc.errors import NodeError
from vdc.provider import slots
from vdc.provider.slots import HOST, Slot, choose


def test_a_slot_has_three_ports_of_its_own_and_the_rest_for_tasks():
    ports = Slot(3).ports
    own = {ports.http, ports.rpc, ports.serf}
    tasks = set(range(ports.first_task, ports.last_task + 1))
    assert len(own) == 3
    assert not own & tasks
    assert max(tasks) < Slot(4).ports.http


def test_no_slot_reaches_into_the_ephemeral_ports():
    assert Slot(slots._COUNT - 1).ports.last_task < 32768


@pytest.fixture
def chosen():
    """Chooses and lets go again; the number."""

    def number(seed: str, taken=()) -> int:
        with closing(choose(seed, taken)) as held:
            return held.slot.number

    return number


def test_the_choice_is_stable_for_a_seed_and_passes_over_what_is_taken_or_in_use(chosen):
    first = chosen("seed")
    assert chosen("seed", {first}) != first
    with socket.create_server((HOST, Slot(first).ports.last_task)):
        assert chosen("seed") != first


def test_what_one_holds_no_other_chooses_until_it_is_let_go(chosen):
    held = choose("seed", ())
    assert chosen("seed") != held.slot.number
    assert held.slot.hold(HOST) is None
    assert held.slot.free_at(HOST), "whoever holds it can use it"
    held.close()
    with closing(held.slot.hold(HOST)):
        assert chosen("seed") != held.slot.number


def test_with_every_slot_taken_one_line_says_so():
    with pytest.raises(NodeError, match="no 100 free ports in a row between 20000 and 32000"):
        choose("seed", range(slots._COUNT))
