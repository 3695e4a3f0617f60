"""Which clouds a stack's groups have touched: what a run that was killed leaves to find.

What exists is read from the cloud, and Pulumi's state knows which group is where. A group whose
first run ended before that was recorded, and that was then struck from the declaration, is known
from here alone.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vdc.home import Home
from vdc.provider import processes

_FOLDER = "openstack"


class Step(BaseModel):
    """One group, from before its first server was asked for until the last is gone."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    owner: str
    realm: str
    datacenter: str
    cloud: str
    region: str = ""


class Trail:
    """One group's.

    Args:
        folder: Holds a file for each group of the stack.
        step: The group.
    """

    def __init__(self, folder: Path, step: Step) -> None:
        self._file = folder / f"{'.'.join(step.owner.split('/')[1:])}.json"
        self._step = step
        self._entered = False
        self._entering = asyncio.Lock()

    async def enter(self) -> None:
        """Before something is made; nodes that begin together have one file."""
        async with self._entering:
            if not self._entered:
                text = self._step.model_dump_json()
                await asyncio.to_thread(processes.write_private, self._file, text)
                self._entered = True

    def leave(self) -> None:
        """When nothing is left."""
        self._file.unlink(missing_ok=True)


def folder(stack: str) -> Path:
    """Where the trail of a stack is."""
    return Home.of_user().stack(stack).root / _FOLDER


def steps(stack: str) -> list[Step]:
    """Every group of a stack that may have something in a cloud."""
    found = []
    for file in sorted(folder(stack).glob("*.json")):
        try:
            found.append(Step.model_validate_json(file.read_bytes()))
        except (OSError, ValidationError):
            continue  # another run has just removed it
    return found
