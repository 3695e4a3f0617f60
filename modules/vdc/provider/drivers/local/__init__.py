"""This machine's nodes for the provider: the group's resource, and what a killed run left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection
from itertools import repeat

from vdc.bootstrap.agent import ClientRole, ServerRole
from vdc.errors import SchedulerError
from vdc.home import Home
from vdc.provider.drivers.local import marks
from vdc.provider.drivers.local.driver import LocalDriver, Template, remove_node
from vdc.provider.resources.node_group import GroupInputs, NodeGroup
from vdc.provider.slots import HOST
from vdc.scheduler.client import Nomad

# From the token's making to the agent's registration; an agent registers within seconds.
_INTRODUCTION_S = 300
_LOOPBACK = "lo" if sys.platform == "linux" else "lo0"


class LocalNodeGroup(NodeGroup[GroupInputs]):
    """``vdc:local:NodeGroup``."""

    inputs = GroupInputs

    token = "vdc:local:NodeGroup"  # noqa: S105 - a type token

    def driver(self, inputs: GroupInputs, nomad: Nomad | None) -> LocalDriver:
        """Agents under the stack's folder; each introduced to the scheduler by name."""
        role: ServerRole | ClientRole
        if inputs.role == "server":
            role = ServerRole(inputs.count, (), inputs.gossip_key)
        else:
            home = Home.of_user()
            meta = (("packages", str(home.packages)), ("python", sys.executable))
            role = ClientRole(
                servers=inputs.scheduler.rpc if inputs.scheduler else (),
                group=inputs.group,
                interface=_LOOPBACK,
                cpu_mhz=inputs.cpu_mhz,
                memory_mib=inputs.memory_mib,
                disk_mib=inputs.disk_mib,
                meta=meta,
            )
        template = Template(
            owner=inputs.owner,
            nodes_dir=marks.nodes_dir(inputs.stack),
            hosts=dict(zip(inputs.names, inputs.server_addresses or repeat(HOST), strict=False)),
            site=inputs.site,
            ca_cert=inputs.ca_cert,
            cert=inputs.cert,
            key=inputs.key,
            role=role,
        )

        async def introduce(name: str) -> str:
            if nomad is None:
                raise SchedulerError("a work node can be introduced only by the scheduler")
            return await nomad.introduction(name, _INTRODUCTION_S)

        async def ask(agent: str) -> None:
            if inputs.scheduler:
                async with inputs.scheduler.each((agent,)) as (through_it,):
                    await through_it.leader()

        return LocalDriver(template, introduce, ask)


GROUP = LocalNodeGroup


def owners(stack: str) -> set[str]:
    """The owners of a stack's nodes on this machine, as their marks say."""
    return {mark.owner for _, mark in marks.marked(marks.nodes_dir(stack))}


async def reap(stack: str, keep: Collection[str], _forget_silent: bool = False) -> list[str]:
    """Removes a stack's nodes on this machine whose owner is not to be kept; returns their names.

    With the last of them goes their folder.
    Only for what no state records any more: nothing is drained. This machine is never silent.
    """
    gone = [(f, mark) for f, mark in marks.marked(marks.nodes_dir(stack)) if mark.owner not in keep]
    for folder, _ in gone:
        await remove_node(folder)
    with contextlib.suppress(OSError):  # there is none, or others' nodes are in it
        marks.nodes_dir(stack).rmdir()
    return [mark.node for _, mark in gone]
