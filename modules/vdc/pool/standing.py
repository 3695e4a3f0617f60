"""As whom work runs, and on which nodes it stands.

A machine of our own kinds has a work user: its agent starts tasks as that user and refuses to
start any as root. Where there is none, as on the local site, tasks run as whoever runs the agent,
who cannot become anybody else. The scheduler fixes a task's user with its job, so a job stands on
nodes of one sort or of the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vdc.bootstrap import layout
from vdc.scheduler.client import Nomad

_ANYBODY = ""
_KEY = "work_user"


class Standing:
    """Which sorts of nodes there are now."""

    def __init__(self, nomad: Nomad) -> None:
        self._nomad = nomad

    async def users(self, first: str | None = None) -> list[str]:
        """The users as whom work can run now; empty text is whoever runs the agent.

        Args:
            first: The one to begin with, if there is one.

        Raises:
            SchedulerError: The scheduler does not answer.
        """
        quoted = json.dumps(layout.WORK_USER)
        sorts = {layout.WORK_USER: f"Meta.{_KEY} == {quoted}", _ANYBODY: f"Meta.{_KEY} != {quoted}"}
        found = [user for user, nodes in sorts.items() if await self._any(nodes)]
        return sorted(found or [_ANYBODY], key=lambda user: user != first)

    async def _any(self, nodes: str) -> bool:
        params = {"filter": f'{nodes} and Status == "ready"', "per_page": "1"}
        return bool(await self._nomad.json("GET", "/v1/nodes", params=params))


def standing(job: Mapping[str, Any], user: str) -> dict[str, Any]:
    """The job, to run as a user and on that user's nodes. Pure."""
    target = f"${{meta.{_KEY}}}"
    if user == _ANYBODY:
        constraint = {"LTarget": target, "Operand": "is_not_set", "RTarget": ""}
    else:
        constraint = {"LTarget": target, "Operand": "=", "RTarget": user}
    placed = {**job, "Constraints": [*(job.get("Constraints") or []), constraint]}
    if user != _ANYBODY:
        placed["TaskGroups"] = [
            {**group, "Tasks": [_as(task, user) for task in group["Tasks"]]}
            for group in job["TaskGroups"]
        ]
    return placed


def _as(task: Mapping[str, Any], user: str) -> dict[str, Any]:
    """A task of another user than the agent's, who may read what is rendered for it alone."""
    owner = {"Uid": layout.WORK_UID, "Gid": layout.WORK_UID}
    templates = [{**template, **owner} for template in task.get("Templates") or []]
    return {**task, "User": user, "Templates": templates}
