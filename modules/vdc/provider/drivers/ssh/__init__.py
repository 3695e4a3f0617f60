"""Machines taken in over SSH, for the provider: the group's resource, and what was left behind."""

from __future__ import annotations

from collections.abc import Collection

from vdc.errors import NodeError
from vdc.provider.drivers.ssh.driver import SshDriver, remove
from vdc.provider.drivers.ssh.group import SshNodeGroup
from vdc.provider.drivers.ssh.trail import Trail

__all__ = ["GROUP", "SshDriver", "owners", "reap"]

GROUP = SshNodeGroup


def owners(stack: str) -> set[str]:
    """The owners of a stack's nodes on machines that this user's runs have touched."""
    return {step.owner for step in Trail.of_stack(stack).steps()}


async def reap(stack: str, keep: Collection[str], forget_silent: bool = False) -> list[str]:
    """Removes a stack's nodes whose owner is not to be kept; returns their names.

    On machines that this user's runs have touched. Only for what no state records any more:
    nothing is drained.

    Raises:
        NodeError: A machine does not answer; it is remembered for the next time, unless
            ``forget_silent``.
    """
    trail = Trail.of_stack(stack)
    gone: list[str] = []
    problems: list[str] = []
    for step in trail.steps():
        if step.owner in keep:
            continue
        try:
            await remove(step, forget_silent=forget_silent)
        except NodeError as error:
            problems.append(f"node {step.node}: {error}")
            continue
        trail.forget(step.node)
        gone.append(step.node)
    if problems:
        raise NodeError("\n".join(problems))
    return gone
