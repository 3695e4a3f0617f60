"""Which machines this user has touched for a stack: what a run that was killed leaves to find.

Pulumi's state knows what a run recorded, the inventory what is declared now. A machine that was
taken in by a run that ended before it could record anything, and that was then struck from the
declaration, is known from here alone.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vdc.home import Home
from vdc.provider import processes
from vdc.provider.drivers.ssh.machine import Machine


class Step(BaseModel):
    """One machine, from before it was touched until all was removed from it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    owner: str
    node: str
    machine: Machine
    key: str


class Trail:
    """A folder with one file for each machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of_stack(cls, stack: str) -> Trail:
        """The stack's, in the user's home."""
        return cls(Home.of_user().stack(stack).root / "machines")

    def steps(self) -> list[Step]:
        """Every machine, in order of nodes."""
        found = []
        for file in sorted(self._folder.glob("*.json")):
            try:
                found.append(Step.model_validate_json(file.read_bytes()))
            except (OSError, ValidationError):
                continue  # another run has just removed it
        return found

    def add(self, step: Step) -> None:
        """Before the machine is touched."""
        processes.write_private(self._file(step.node), step.model_dump_json())

    def forget(self, node: str) -> None:
        """When nothing of ours is left there, or nobody wants to know any more."""
        self._file(node).unlink(missing_ok=True)

    def _file(self, node: str) -> Path:
        return self._folder / f"{node}.json"
