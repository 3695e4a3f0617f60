"""Secrets of apps, handed to the runs of their commands.

A task reads only what lies under its own job's name, and a run is a job of its own. So a run
gets a copy for as long as it lasts; copies of ended runs go when the next one begins.
"""

from __future__ import annotations

from collections.abc import Callable

from vdc.errors import SchedulerError
from vdc.pool.shelf import secrets_path
from vdc.scheduler.client import Nomad
from vdc.scheduler.variables import Variables


class Handover:
    """Copies and removes; ``lasts`` tells whether a run of this id is known and not ended."""

    def __init__(self, nomad: Nomad, lasts: Callable[[str], bool]) -> None:
        self._variables = Variables(nomad)
        self._lasts = lasts
        self._beginning: set[str] = set()

    async def give(self, app: str, run_id: str) -> None:
        """Lets a run read its app's secrets; before its job is registered.

        Raises:
            SchedulerError: The app has none, or the scheduler refuses.
        """
        self._beginning.add(run_id)  # the picture does not know it yet
        held = await self._variables.get(secrets_path(app))
        if held is None:
            raise SchedulerError(f"the secrets of {app} are gone; install it again", 404)
        await self._variables.put(secrets_path(run_id), held.items, 0)

    async def clear(self, prefix: str) -> None:
        """Removes the copies of runs that have ended."""
        for path in await self._variables.paths(secrets_path(prefix)):
            run_id = path.removeprefix(secrets_path(""))
            if run_id not in self._beginning and not self._lasts(run_id):
                await self._variables.delete(path)

    def begun(self, run_id: str) -> None:
        """The picture knows the run from now on, or it was refused."""
        self._beginning.discard(run_id)
