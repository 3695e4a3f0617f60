"""One machine of the inventory, and what can be done on a machine that we are logged in to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from vdc.provider.resource import Inputs

SCRIPT_S = 60
"""Seconds that a program gets which changes little."""


class Machine(Inputs):
    """How a machine is reached, and by what it is known to be the right one.

    Attributes:
        name: Its name in the inventory.
        address: Name or address, as this side dials it.
        host_key: Its public key, ``ssh-ed25519 AAAA…``; a machine that shows another is told
            nothing.
    """

    name: str
    address: str
    port: int = 22
    user: str = "root"
    host_key: str

    def __str__(self) -> str:
        """What every line about it begins with."""
        return f"machine {self.name} ({self.user}@{self.address} port {self.port})"


class Login(Protocol):
    """A machine that we are logged in to, with the rights of root. Its text names the machine."""

    @property
    def machine(self) -> Machine:
        """Which one."""

    async def run(
        self,
        stage: str,
        script: str,
        *arguments: str,
        given: bytes = b"",
        within_s: float = SCRIPT_S,
    ) -> str:
        """Runs a POSIX sh script as root; returns what it prints.

        Args:
            stage: What is being done, for the line of an error.
            script: Its text; it shows in the machine's process list, so no secret is in it.
            arguments: Its ``$1`` and so on, for which the same holds.
            given: Its standard input; here secrets may be.
            within_s: Seconds until it is given up.

        Raises:
            NodeError: It ended with an error; the end of what it said is in the text.
            UnreachableNodeError: The machine went away.
        """

    async def push(self, stage: str, file: Path, target: str) -> None:
        """Copies a file to a path that the user we are logged in as may write.

        Raises:
            NodeError: It did not arrive, the disk is full for one.
            UnreachableNodeError: The machine went away.
        """
