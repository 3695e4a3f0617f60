"""Machines taken in over SSH, for the provider: the group's resource, and what was left behind."""

from __future__ import annotations

from collections.abc import Collection

from vdc.provider.drivers.ssh.driver import SshDriver, remove
from vdc.provider.drivers.ssh.group import SshNodeGroup, force
from vdc.provider.drivers.ssh.trail import Trail

__all__ = ["GROUP", "SshDriver", "owners", "reap"]

GROUP = SshNodeGroup


def owners(stack: str) -> set[str]:
    """The owners of a stack's nodes on machines that this user's runs have touched."""
    return {step.owner for step in Trail.of_stack(stack).steps()}


async def reap(stack: str, keep: Collection[str]) -> list[str]:
    """Removes a stack's nodes whose owner is not to be kept; returns their names.

    On machines that this user's runs have touched. Only for what no state records any more:
    nothing is drained.
    """
    trail = Trail.of_stack(stack)
    gone = [step for step in trail.steps() if step.owner not in keep]
    for step in gone:
        await remove(step, force=force())
        trail.forget(step.node)
    return [step.node for step in gone]
