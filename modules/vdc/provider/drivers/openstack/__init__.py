"""Nodes in an OpenStack cloud: the group's resource."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vdc.errors import NodeError
from vdc.provider.drivers import NodeFacts
from vdc.provider.machines import MachineInputs
from vdc.provider.resources.node_group import NodeGroup
from vdc.scheduler.client import Nomad

__all__ = ["GROUP", "OpenstackDriver", "owners", "reap"]

_UNASKED = "OpenStack cannot be asked yet"


class OpenstackDriver:
    """Servers of one group."""

    digest = ""

    async def owned(self) -> Mapping[str, NodeFacts]:
        """See :class:`~vdc.provider.drivers.Driver`."""
        raise NodeError(_UNASKED)

    async def create(self, name: str) -> NodeFacts:
        """See :class:`~vdc.provider.drivers.Driver`."""
        raise NodeError(f"node {name}: {_UNASKED}")

    def in_place(self, node: NodeFacts) -> bool:
        """See :class:`~vdc.provider.drivers.Driver`."""
        return False

    async def explain(self, name: str) -> str:
        """See :class:`~vdc.provider.drivers.Driver`."""
        return ""

    async def delete(self, name: str) -> None:
        """See :class:`~vdc.provider.drivers.Driver`."""
        raise NodeError(f"node {name}: {_UNASKED}")


class OpenstackInputs(MachineInputs):
    """What this kind adds."""

    cloud: str
    region: str = ""


class OpenstackNodeGroup(NodeGroup[OpenstackInputs]):
    """``vdc:openstack:NodeGroup``."""

    token = "vdc:openstack:NodeGroup"  # noqa: S105 - a type token
    inputs = OpenstackInputs

    def driver(self, inputs: OpenstackInputs, nomad: Nomad | None) -> OpenstackDriver:
        """Servers, each admitted to the pool by name."""
        return OpenstackDriver()


GROUP = OpenstackNodeGroup


def owners(_stack: str) -> frozenset[str]:
    """Nothing here is known to this machine alone: a cloud's servers carry their marks there."""
    return frozenset()


async def reap(_stack: str, _keep: Collection[str]) -> list[str]:
    """Nothing to remove, for the same reason; ``vdc reap`` asks the cloud."""
    return []
