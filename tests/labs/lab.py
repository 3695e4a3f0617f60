"""What every lab with a network of its own is: a name, a folder, a namespace; up, down, by hand."""

from __future__ import annotations

import argparse
import re
import secrets
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import psutil

from labs.netns import Namespace
from labs.processes import output
from vdc.provider import processes

SIDE = "10.88.0.254"
"""This side of every lab: where vdc, and servers on this machine, are reached by nodes."""

_END_S = 15.0


@dataclass(frozen=True)
class NamedLab(ABC):
    """A lab by its name; up or down, and nothing of it is kept anywhere else.

    Labs share no address space, process or file: each has network namespaces of its own, so that
    all of them use the same addresses.

    Attributes:
        KIND: What it is a lab of.
        name: At most 16 of ``a-z0-9-``.
    """

    KIND: ClassVar[str]
    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,15}", self.name):
            raise ValueError(f"a lab's name has up to 16 of a-z, 0-9 and -, not {self.name!r}")

    @property
    def folder(self) -> Path:
        """Holds everything; short, as a socket's path must be."""
        return Path(tempfile.gettempdir(), self._prefix() + self.name)

    @property
    def network(self) -> Namespace:
        """This side: what ``run`` runs in. Has :data:`SIDE` and loopback, no way out."""
        return Namespace(self._prefix() + self.name)

    def command(self, *words: str) -> tuple[str, ...]:
        """A command, to be run on this side of the lab."""
        return self.network.command(*words)

    def run(self, *words: str) -> str:
        """Runs a command on this side of the lab; its output.

        Raises:
            AssertionError: It failed; with what it said.
        """
        return output(self.command(*words))

    # --- life -----------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether anything of it is there."""
        return self.folder.exists() or self.network.path.exists()

    def up(self) -> None:
        """Makes the lab, which must not exist; returns when it answers."""
        if self.exists:
            raise AssertionError(f"lab {self.name} is there already, in {self.folder}")
        self.folder.mkdir(mode=0o711)
        self.network.make()
        self._begin()

    def down(self) -> None:
        """Removes the lab, or what is left of it."""
        self._end()
        left = processes.belonging_to(self.folder)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _, left = psutil.wait_procs(left, _END_S)
        assert not left, f"do not end: {left}"
        self.network.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    @contextmanager
    def standing(cls, name: str = "") -> Iterator[Self]:
        """A lab that is up; nothing of it is left after. Without a name it has one of its own."""
        lab = cls(name or f"t{secrets.token_hex(3)}")
        try:
            lab.up()
            yield lab
        finally:
            lab.down()

    @classmethod
    def every(cls) -> list[Self]:
        """Every lab of the kind that is there."""
        found = Path(tempfile.gettempdir()).glob(f"{cls._prefix()}*")
        return [cls(name) for name in sorted(it.name.removeprefix(cls._prefix()) for it in found)]

    # --- by hand --------------------------------------------------------------------

    @classmethod
    def main(cls) -> None:
        """Does what the command line says: ``up``, ``down`` or ``status``."""
        about = f"a lab of {cls.KIND} by hand"
        parser = argparse.ArgumentParser(prog=f"python -m labs.{cls.KIND}", description=about)
        parser.add_argument("what", choices=("up", "down", "status"))
        parser.add_argument("--name", default="hand", help="of the lab; several live side by side")
        arguments = parser.parse_args()
        lab = cls(arguments.name)
        match arguments.what:
            case "up":
                lab.up()
                print(*lab.usage(), sep="\n")
                print(f"# this side is {SIDE}: {' '.join(lab.command('COMMAND'))}")
            case "down":
                lab.down()
                print(f"lab {lab.name} is gone")
            case "status":
                for each in cls.every():
                    print(each.name, each.folder, each.state())

    def state(self) -> str:
        """What ``status`` says of a lab that is there."""
        return "up" if processes.belonging_to(self.folder) else "down"

    # --- what a kind does -----------------------------------------------------------

    @abstractmethod
    def usage(self) -> Iterator[str]:
        """Lines that tell a person how to use it, once it is up."""

    @abstractmethod
    def _begin(self) -> None:
        """Fills the folder and the network; returns when the lab answers."""

    @abstractmethod
    def _end(self) -> None:
        """Ends what is not known by the folder: nodes, hosts; idempotent."""

    @classmethod
    def _prefix(cls) -> str:
        return f"vdc-{cls.KIND}-"
