"""What a group of nodes gives to the resources that are made from it."""

import asyncio
from itertools import permutations
from types import SimpleNamespace

from vdc.provider.drivers import NodeFacts
from vdc.provider.resource import Call
from vdc.provider.resources.node_group import GroupInputs, NodeGroup


class Group(NodeGroup[GroupInputs]):
    """Of a back end that lists its nodes in an order of its own."""

    def __init__(self, listed):
        self.listed = listed

    def driver(self, inputs, nomad):
        async def owned():
            return {node.name: node for node in self.listed}

        return SimpleNamespace(owned=owned)


def server(index: int) -> NodeFacts:
    address = f"192.0.2.{index}"
    facts = {"address": address, "http": "4646", "rpc": "4647", "incarnation": f"made-{index}"}
    return NodeFacts(f"dc-north-servers-{index}", "running", "v1", tuple(facts.items()))


def test_servers_are_told_in_one_order_whatever_the_back_ends():
    inputs = GroupInputs(
        stack="dev", datacenter="dc", site="north", group="servers", role="server",
        prefix="dc-north-servers", count=3, cpu_mhz=1000, memory_mib=1024, disk_mib=1024,
        drain_deadline_s=0, ca_cert="", cert="", key="",
    )  # fmt: skip
    for listed in permutations(map(server, range(3))):
        found = asyncio.run(Group(listed).read(Call("", asyncio.Event()), inputs, {}))
        assert found["rpc"] == [f"192.0.2.{index}:4647" for index in range(3)]
        assert found["addresses"] == [f"https://192.0.2.{index}:4646" for index in range(3)]
        assert found["incarnations"] == [f"made-{index}" for index in range(3)]
