"""Ports of agents that share a machine."""

import socket

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


def test_the_choice_is_stable_for_a_seed_and_passes_over_what_is_taken_or_in_use():
    first = choose("seed", ())
    second = choose("seed", {first.number})
    assert second.number != first.number
    with socket.socket() as user:
        user.bind((HOST, first.ports.last_task))
        user.listen()
        assert choose("seed", ()).number != first.number


def test_with_every_slot_taken_one_line_says_so():
    with pytest.raises(NodeError, match="no 100 free ports in a row between 20000 and 32000"):
        choose("seed", range(slots._COUNT))
