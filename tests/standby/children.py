"""A process that a standby and those who ask it take for their engine, and its children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil

from e2e.eventually import eventually
from vdc.standby.meeting import of

ENGINE = Path(__file__).with_name("engine.py")
ASK = "from vdc.standby.run import run; run('work')"
LISTENS = "00010000"  # __SO_ACCEPTCON


@dataclass
class Child:
    """A process that the engine has started."""

    engine: Engine
    number: int
    out: Path

    @property
    def said(self) -> dict[str, Any]:
        """What it found where it works, once it says so."""
        text = eventually(self.complaint or "it speaks", self._line)
        found: dict[str, Any] = json.loads(text)
        return found

    def _line(self) -> str | None:
        text = self.out.read_text()
        return text if text.endswith("\n") else None

    @property
    def complaint(self) -> str:
        return self.out.with_suffix(".error").read_text()

    @property
    def code(self) -> int:
        """How it ended, once it has."""
        return int(self.engine.told({"wait": self.number}))

    @property
    def goes_on(self) -> bool:
        """Whether it lives."""
        return lives(self.number)


@dataclass
class Engine:
    """A process whose children are what a test starts.

    Attributes:
        started: All children.
        awaiting: The standbys of them, which end by themselves when all else has.
    """

    process: subprocess.Popen[str]
    folder: Path
    started: set[int] = field(default_factory=set)
    awaiting: set[int] = field(default_factory=set)

    def told(self, asked: dict[str, Any]) -> str:
        """What it answers."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def begin(self, *words: str, **environment: str) -> Child:
        """Starts a child."""
        out = self.folder / f"{len(self.started)}.out"
        asked = {"words": words, "out": str(out), "environment": environment}
        child = Child(self, int(self.told(asked)), out)
        self.started.add(child.number)
        return child

    def stand_by(self, *modules: str) -> Child:
        """Starts a standby; returns when it has imported all, or has ended."""
        (self.folder / "last.py").write_text("from pathlib import Path; Path('all').touch()")
        child = self.begin_standby(*modules, "last")
        eventually("it is there", lambda: not child.goes_on or (self.folder / "all").exists())
        return child

    def begin_standby(self, *modules: str) -> Child:
        """Starts a standby; returns when it can be connected to, or has ended."""
        words = "-P", "-u", "-m", "vdc.standby.serve", str(self.process.pid), *modules
        child = self.begin(sys.executable, *words)
        self.awaiting.add(child.number)
        eventually("it can be asked", lambda: not child.goes_on or self.has_standby)
        return child

    @cached_property
    def address(self) -> str:
        return of(self.process.pid)[0]

    @property
    def has_standby(self) -> bool:
        return LISTENS in self.sockets

    @property
    def sockets(self) -> list[str]:
        """The flags of a standby's, and of one for each process that is connected to it."""
        name = self.address.replace("\0", "@")
        lines = Path("/proc/net/unix").read_text().splitlines()
        return [line.split()[3] for line in lines if line.endswith(f" {name}")]

    @property
    def standbys(self) -> list[psutil.Process]:
        """All that live, whoever has started them."""
        words = ["vdc.standby.serve", str(self.process.pid)]
        return [
            each
            for each in psutil.process_iter(["cmdline"])
            if (each.info["cmdline"] or [])[4:6] == words
        ]

    def work(self, *words: str, **environment: str) -> Child:
        """Starts what has its work done in the standby where there is one."""
        return self.begin(sys.executable, "-c", ASK, *words, **environment)


def lives(number: int) -> bool:
    """Whether a process does, and is not merely not waited for."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started(folder: Path, command: str) -> Engine:
    """An engine at a command of Pulumi's; its children import from the folder, and work there."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return Engine(
        subprocess.Popen(
            [sys.executable, str(ENGINE), command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        ),
        folder,
    )
