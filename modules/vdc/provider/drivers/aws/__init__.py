"""Nodes in Auto Scaling groups of AWS: the cloud makes them, and we say how many."""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from vdc.errors import StackError

__all__ = ["fleet", "owners", "reap"]


def fleet(_inputs: object) -> NoReturn:
    """The group's machines as the cloud has them.

    Raises:
        StackError: Always, as yet.
    """
    raise StackError("Auto Scaling groups cannot be asked yet")


def owners(_stack: str) -> frozenset[str]:
    """Nothing here is known to this machine alone: the cloud's groups stand in the state."""
    return frozenset()


async def reap(_stack: str, _keep: Collection[str]) -> list[str]:
    """Nothing to remove, for the same reason; ``vdc reap`` asks the cloud."""
    return []
