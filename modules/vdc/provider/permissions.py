"""What the user permits a run that it would not do by itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields

VARIABLE = "VDC_PERMITS"
"""Tells the provider: the names of what is permitted, with spaces between them."""


@dataclass(frozen=True)
class Permissions:
    """Each stands alone: who cannot ask the pool has no leave yet to forget a machine.

    Attributes:
        stop_work: Work on a node that is to go is stopped and not moved.
        without_pool: A scheduler or pool service that does not answer keeps nothing from being
            removed: nothing is drained then, and no admission taken back.
        forget_silent: A machine, host or cloud that does not answer is forgotten, and with it
            whatever runs there.
        unhealthy: Servers are changed without asking whether the others can do without them.
    """

    stop_work: bool = False
    without_pool: bool = False
    forget_silent: bool = False
    unhealthy: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Permissions:
        """What an environment says; a name that is unknown permits nothing."""
        names = environment.get(VARIABLE, "").split()
        return cls(**{one.name: one.name in names for one in fields(cls)})

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells them to a provider."""
        return {VARIABLE: " ".join(one.name for one in fields(self) if getattr(self, one.name))}


FORCE = Permissions(stop_work=True, without_pool=True, forget_silent=True, unhealthy=True)
"""What ``--force`` grants."""


def permitted() -> Permissions:
    """What this run's user has permitted."""
    return Permissions.of(os.environ)
