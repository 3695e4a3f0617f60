"""Nodes in Auto Scaling groups of AWS: the cloud makes them, and we say how many."""

from __future__ import annotations

from collections.abc import Collection

from vdc.provider.drivers.aws.cloud import shared
from vdc.provider.drivers.aws.fleet import AwsFleet
from vdc.provider.drivers.aws.inventory import found, left, remove
from vdc.provider.drivers.aws.preflight import preflight
from vdc.provider.drivers.backend import Backend
from vdc.provider.resources.fleet_members import MembersInputs

__all__ = ["BACKEND", "AwsFleet", "fleet", "owners", "reap"]


BACKEND = Backend(preflight, found, remove, left)


def fleet(inputs: MembersInputs) -> AwsFleet:
    """A group's machines as the cloud has them."""
    return AwsFleet(shared(inputs.account, inputs.region, inputs.profile), inputs.fleet)


def owners(_stack: str) -> frozenset[str]:
    """Nothing here is known to this machine alone: the cloud's groups stand in the state."""
    return frozenset()


async def reap(_stack: str, _keep: Collection[str], _forget_silent: bool = False) -> list[str]:
    """Nothing to remove, for the same reason; ``vdc reap`` asks the cloud."""
    return []
