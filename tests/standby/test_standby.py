"""A standby and those for whom it forks, under a process that they take for their engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import psutil
import pytest

from e2e.eventually import eventually
from vdc.standby.meeting import KIND, of
from vdc.toolchain import shim
from vdc.toolchain.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = Path(__file__).with_name("engine.py")
ASK = "from vdc.standby.run import run; run('work')"
WORK = """
import json, os, signal, sys

def main():
    print(json.dumps({
        "process": os.getpid(),
        "parent": os.getppid(),
        "arguments": sys.argv[1:],
        "folder": os.getcwd(),
        "mark": os.environ.get("MARK"),
        "descriptors": [n for n in range(400) if os.path.exists(f"/proc/self/fd/{n}")],
        "interrupts": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "imported": "rarely" in sys.modules,
    }), flush=True)
    exec(os.environ.get("THEN", ""))
"""


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
    def lives(self) -> bool:
        return _lives(self.number)


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
        """Starts a standby; returns when it is there, or has ended."""
        words = "-P", "-u", "-m", "vdc.standby.serve", str(self.process.pid), *modules
        child = self.begin(sys.executable, *words)
        self.awaiting.add(child.number)
        eventually("it is there", lambda: not child.lives or self.has_standby)
        return child

    @property
    def address(self) -> str:
        return of(self.process.pid)[0]

    @property
    def has_standby(self) -> bool:
        return self.sockets > 0

    @property
    def sockets(self) -> int:
        """That of a standby, and one for each process that is connected to it."""
        name = self.address.replace("\0", "@")
        return Path("/proc/net/unix").read_text().count(f"{name}\n")

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


def _lives(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started(folder: Path, command: str) -> Engine:
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


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "rarely.py").write_text("")
    engine = started(tmp_path, "up")
    yield engine
    engine.process.kill()
    engine.process.communicate()
    for number in engine.started - engine.awaiting:
        if _lives(number):
            os.kill(number, signal.SIGKILL)
    eventually("all have ended", lambda: not any(map(_lives, engine.awaiting)))


def test_a_fork_is_what_the_process_would_have_been(engine: Engine) -> None:
    standby = engine.stand_by("rarely", "work")
    child = engine.work("one", "two", MARK="mine", THEN="sys.exit(3)")
    said = child.said
    assert said["parent"] == standby.number
    assert said["process"] != child.number
    assert said["imported"]
    assert said["arguments"] == ["one", "two"]
    assert (said["folder"], said["mark"]) == (str(engine.folder), "mine")
    assert said["descriptors"] == [0, 1, 2]
    assert said["interrupts"]
    assert (child.code, child.complaint) == (3, "")


def test_a_fork_has_the_descriptors_of_a_language_host(engine: Engine) -> None:
    engine.stand_by("work")
    asked, answered = engine.folder / "asked", engine.folder / "answered"
    asked.write_text("a question")
    then = "os.write(4, os.read(3, 99))"
    shell = '"$0" -c "$1" 3<asked 4>answered; exit $?'  # which is not the engine, nor is a host
    child = engine.begin("sh", "-c", shell, sys.executable, ASK, THEN=then)
    assert child.said["descriptors"] == [0, 1, 2, 3, 4]
    assert child.code == 0
    assert answered.read_text() == "a question"


def test_one_after_the_other_and_side_by_side(engine: Engine) -> None:
    standby = engine.stand_by("work")
    waiting = [engine.work(THEN="signal.pause()") for _ in range(5)]
    assert {child.said["parent"] for child in waiting} == {standby.number}
    assert engine.work().code == 0
    for child in waiting:
        os.kill(child.number, signal.SIGTERM)
        assert child.code == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("then", "code", "complaint"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit('no more')", 1, "no more"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL, ""),
    ],
)
def test_a_process_ends_as_its_fork(then: str, code: int, complaint: str, engine: Engine) -> None:
    engine.stand_by("work")
    child = engine.work(THEN=then)
    assert child.code == code
    assert complaint in child.complaint


def test_signals_are_passed_on(engine: Engine) -> None:
    engine.stand_by("work")
    then = "signal.signal(signal.SIGINT, lambda *_: os._exit(7)); print('', flush=True)\n"
    child = engine.work(THEN=then + "while True: signal.pause()")
    eventually("it is ready", lambda: child.out.read_text().count("\n") == 2)
    os.kill(child.number, signal.SIGINT)
    assert child.code == 7


def test_a_fork_never_outlives_its_process(engine: Engine) -> None:
    engine.stand_by("work")
    child, other = (engine.work(THEN="signal.pause()") for _ in range(2))
    fork = child.said["process"]
    assert other.said
    os.kill(child.number, signal.SIGKILL)
    eventually("it has ended", lambda: not _lives(fork))
    assert other.lives


def test_the_standby_ends_with_its_engine(engine: Engine) -> None:
    standby = engine.stand_by("work")
    engine.process.kill()
    engine.process.wait()
    eventually("it has ended", lambda: not standby.lives)


def test_a_fork_that_goes_on_without_its_engine_is_waited_for(engine: Engine) -> None:
    """As a provider does, which knows itself when its engine is gone."""
    standby = engine.stand_by("work")
    address = engine.address
    last = engine.folder / "last"
    os.mkfifo(last)
    child = engine.work(THEN="open('last').read(); print('finished')")
    assert child.said
    engine.process.kill()
    engine.process.wait()
    for _ in range(2):  # who answers the second has dealt with what was there at the first
        with socket.socket(socket.AF_UNIX, KIND) as peer:
            peer.connect(address)
            peer.send(b"{}")
            assert peer.recv(1) == b""
    last.write_text("")
    eventually("all have ended", lambda: not child.lives and not standby.lives)
    assert child.out.read_text().endswith("finished\n")


def test_forks_of_a_killed_standby_end(engine: Engine) -> None:
    standby = engine.stand_by("work")
    child = engine.work(THEN="signal.pause()")
    fork = child.said["process"]
    os.kill(standby.number, signal.SIGKILL)
    assert child.code == 128 + signal.SIGKILL
    eventually("it has ended", lambda: not _lives(fork))


def here(child: Child) -> bool:
    """Whether a process has done its work itself, and well."""
    return (child.said["process"], child.code) == (child.number, 0)


def test_without_a_standby_the_work_is_done_here(engine: Engine) -> None:
    assert here(engine.work())


def test_a_standby_ends_when_it_cannot_import(engine: Engine) -> None:
    (engine.folder / "broken.py").write_text("raise ImportError")
    assert engine.stand_by("broken").code == 0
    assert here(engine.work())


def test_who_is_waiting_when_the_standby_fails_works_here(engine: Engine) -> None:
    hold = engine.folder / "hold"
    os.mkfifo(hold)
    (engine.folder / "broken.py").write_text("open('hold').read(); raise ImportError")
    engine.stand_by("broken")
    child = engine.work()
    with hold.open("w"):
        eventually("it waits", lambda: engine.sockets == 2)
    assert here(child)


def test_no_fork_of_what_has_threads(engine: Engine) -> None:
    thread = (
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    (engine.folder / "threaded.py").write_text(thread)
    engine.stand_by("threaded")
    assert here(engine.work())


def test_an_environment_larger_than_a_packet(engine: Engine) -> None:
    engine.stand_by("work")
    large = {f"LARGE_{number}": "x" * 100_000 for number in range(9)}
    assert here(engine.work(**large))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_users_socket_is_not_spoken_to(engine: Engine) -> None:
    take = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(1, 5);"
        "s.bind(sys.argv[1].replace('@', chr(0))); s.listen(); p, _ = s.accept();"
        "print(p.recv(99) or 'nothing', flush=True)"
    )
    address = engine.address.replace("\0", "@")
    thief = engine.begin(sys.executable, "-c", take, address)
    eventually("it listens", lambda: engine.has_standby)
    assert engine.stand_by("work").code == 0
    assert here(engine.work())
    assert thief.code == 0
    assert thief.out.read_text() == "nothing\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_user_is_not_answered(engine: Engine) -> None:
    engine.stand_by("work")
    address = engine.address
    other = (
        "import os, socket, sys; os.setuid(65534); s = socket.socket(1, 5);"
        "s.connect(sys.argv[1].replace('@', chr(0))); print(s.recv(99) or 'nothing', flush=True)"
    )
    asked = engine.begin(sys.executable, "-c", other, address.replace("\0", "@"))
    assert asked.code == 0
    assert asked.out.read_text() == "nothing\n"


def test_an_engine_that_starts_its_language_hosts_has_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, place = engine.folder / "host", engine.folder / shim.NAME
    host.write_text("#!/bin/sh\necho $1\n")
    host.chmod(0o755)
    monkeypatch.setattr(shim, "_place", lambda: place)
    assert shim.install(Found(shim.NAME, "", host, "path")).ok
    first = engine.begin(str(place), "first")
    eventually("it is there", lambda: engine.has_standby)
    second = engine.begin(str(place), "second")
    assert (first.code, second.code) == (0, 0)
    assert (first.out.read_text(), second.out.read_text()) == ("first\n", "second\n")
    assert len(engine.standbys) == 1
    # The engine ends a plugin by ending its process group.
    assert os.getsid(engine.standbys[0].pid) == engine.standbys[0].pid


def test_one_standby_is_enough(engine: Engine) -> None:
    first = engine.stand_by("work")
    assert engine.stand_by("work").code == 0
    assert first.lives
    assert engine.work().said["parent"] == first.number


def test_commands_that_run_no_program_get_none(tmp_path: Path) -> None:
    other = started(tmp_path, "about")
    try:
        assert other.stand_by("work").code == 0
    finally:
        other.process.kill()
        other.process.communicate()


def test_requests_are_answered_between_imports(engine: Engine) -> None:
    part = engine.folder / "part"
    os.mkfifo(part)
    (engine.folder / "slow.py").write_text(
        "def prepare():\n    for _ in open('part'):\n        yield\n"
    )
    standby = engine.stand_by("work", "slow")
    child = engine.work()
    with part.open("w") as parts:
        eventually("it is answered", lambda: _part(parts) and child.out.read_text())
    assert child.said["parent"] == standby.number


def _part(parts: TextIO) -> int:
    return os.write(parts.fileno(), b"is imported\n")


def test_what_is_asked_for_is_not_imported_any_further(engine: Engine) -> None:
    part = engine.folder / "part"
    os.mkfifo(part)
    more = "\ndef prepare():\n    for _ in open('part'):\n        yield\n    import rarely\n"
    (engine.folder / "work.py").write_text(WORK + more)
    engine.stand_by("work")
    child = engine.work()
    with part.open("w") as parts, pytest.raises(BrokenPipeError):
        while True:  # until nothing more is imported
            _part(parts)
    assert not child.said["imported"]
    assert not engine.work().said["imported"]


def test_nothing_is_asked_of_a_process_that_is_no_engine() -> None:
    with socket.socket(socket.AF_UNIX, KIND) as none, pytest.raises(ConnectionRefusedError):
        none.connect(of(os.getpid())[0])
