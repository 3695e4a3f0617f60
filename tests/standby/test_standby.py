"""A standby and those for whom it forks, under a process that they take for their engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest

from e2e.eventually import eventually
from standby.children import ASK, Child, Engine, lives, started
from vdc.standby.meeting import KIND
from vdc.toolchain import shim
from vdc.toolchain.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "rarely.py").write_text("")
    engine = started(tmp_path, "up")
    yield engine
    engine.process.kill()
    engine.process.communicate()
    for number in engine.started - engine.awaiting:
        if lives(number):
            os.kill(number, signal.SIGKILL)
    eventually("all have ended", lambda: not any(map(lives, engine.awaiting)))


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
        assert child.code == -signal.SIGTERM


@pytest.mark.parametrize(
    ("then", "code", "complaint"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit('no more')", 1, "no more"),
        ("raise ValueError('wrong')", 1, "ValueError: wrong"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("sys.stdout.close(); sys.exit(3)", 3, ""),
    ],
)
def test_a_process_ends_as_its_fork(then: str, code: int, complaint: str, engine: Engine) -> None:
    standby = engine.stand_by("work")
    child = engine.work(THEN=then)
    assert child.code == code
    assert complaint in child.complaint
    assert child.said["parent"] == standby.number


def test_what_asks_a_process_to_end_is_passed_on(engine: Engine) -> None:
    standby = engine.stand_by("work")
    then = "signal.signal(signal.SIGINT, lambda *_: os._exit(7)); open('ready', 'w')\n"
    child = engine.work(THEN=then + "while True: signal.pause()")
    eventually("it is ready", (engine.folder / "ready").exists)
    os.kill(child.number, signal.SIGINT)
    assert child.code == 7
    assert child.said["parent"] == standby.number


def test_neither_a_fork_nor_what_it_has_started_outlives_its_process(engine: Engine) -> None:
    standby = engine.stand_by("work")
    begin = "import subprocess; p = subprocess.Popen(['sleep', '99']); open('begun', 'w').write("
    child = engine.work(THEN=f"{begin}str(p.pid) + '.'); signal.pause()")
    other = engine.work(THEN="signal.pause()")
    fork = child.said["process"]
    begun = engine.folder / "begun"
    eventually("it has started a child", lambda: begun.exists() and "." in begun.read_text())
    assert (child.said["parent"], other.said["parent"]) == (standby.number, standby.number)
    os.killpg(child.number, signal.SIGKILL)  # as an engine ends its plugins
    grandchild = int(begun.read_text()[:-1])
    eventually("both have ended", lambda: not lives(fork) and not lives(grandchild))
    assert other.goes_on


def test_the_standby_ends_with_its_engine(engine: Engine) -> None:
    standby = engine.stand_by("work")
    engine.process.kill()
    engine.process.wait()
    eventually("it has ended", lambda: not standby.goes_on)


def test_a_fork_that_goes_on_without_its_engine_is_waited_for(engine: Engine) -> None:
    """As a provider does, which knows itself when its engine is gone."""
    standby = engine.stand_by("work")
    last = engine.folder / "last"
    os.mkfifo(last)
    child = engine.work(THEN="open('last').read(); print('finished')")
    assert child.said
    engine.process.kill()
    engine.process.wait()
    eventually("it has noticed", lambda: not engine.has_standby)
    assert child.goes_on
    assert standby.goes_on
    last.write_text("")
    eventually("all have ended", lambda: not child.goes_on and not standby.goes_on)
    assert child.out.read_text().endswith("finished\n")


def test_forks_of_a_killed_standby_end(engine: Engine) -> None:
    standby = engine.stand_by("work")
    child = engine.work(THEN="signal.pause()")
    fork = child.said["process"]
    os.kill(standby.number, signal.SIGKILL)
    assert child.code == -signal.SIGKILL
    eventually("it has ended", lambda: not lives(fork))


def here(child: Child) -> bool:
    """Whether a process has done its work itself, and well."""
    return (child.said["process"], child.code) == (child.number, 0)


def test_without_a_standby_the_work_is_done_here(engine: Engine) -> None:
    assert here(engine.work())


def test_a_standby_ends_when_it_cannot_import(engine: Engine) -> None:
    (engine.folder / "broken.py").write_text("raise ImportError('broken')")
    standby = engine.stand_by("broken")
    assert standby.code == 0
    assert standby.complaint.endswith("ImportError: broken\n")
    assert here(engine.work())


def test_who_works_goes_on_when_the_standby_cannot_import(engine: Engine) -> None:
    hold = engine.folder / "hold"
    os.mkfifo(hold)
    (engine.folder / "broken.py").write_text(
        "def prepare():\n    for _ in open('hold'):\n        yield\n    raise ImportError"
    )
    standby = engine.begin_standby("work", "broken")
    end = engine.folder / "end"
    os.mkfifo(end)
    with hold.open("w") as parts:
        child = engine.work(THEN="open('end').read()")
        eventually("it is answered", lambda: _part(parts) and child.out.read_text())
    eventually("it has failed", lambda: "ImportError" in standby.complaint)
    assert here(engine.work())
    end.write_text("")
    assert (child.said["parent"], child.code) == (standby.number, 0)
    assert standby.code == 0


def test_a_request_that_cannot_be_read_harms_nobody(engine: Engine) -> None:
    standby = engine.stand_by("work")
    child = engine.work(THEN="signal.pause()")
    assert child.said["parent"] == standby.number
    for nonsense in (b"x", b"[]", json.dumps({"prefix": sys.prefix}).encode()):
        with socket.socket(socket.AF_UNIX, KIND) as peer:
            peer.connect(engine.address)
            peer.send(nonsense)
            assert peer.recv(1) == b""
    assert engine.work().said["parent"] == standby.number
    assert child.goes_on


def test_who_is_waiting_when_the_standby_fails_works_here(engine: Engine) -> None:
    hold = engine.folder / "hold"
    os.mkfifo(hold)
    (engine.folder / "broken.py").write_text("open('hold').read(); raise ImportError")
    engine.begin_standby("broken")
    with hold.open("w"):
        child = engine.work()
        eventually("it waits", lambda: len(engine.sockets) == 2)
    assert here(child)


def test_no_fork_of_what_has_threads(engine: Engine) -> None:
    thread = (
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    (engine.folder / "threaded.py").write_text(thread)
    standby = engine.stand_by("threaded")
    assert here(engine.work())
    assert standby.goes_on


def test_an_environment_larger_than_a_packet(engine: Engine) -> None:
    standby = engine.stand_by("work")
    large = {f"LARGE_{number}": "x" * 100_000 for number in range(9)}
    assert here(engine.work(**large))
    assert engine.work().said["parent"] == standby.number


def test_without_many_descriptors(engine: Engine) -> None:
    standby = engine.begin_standby("work")
    engine.told({"wait": engine.begin("prlimit", f"--pid={standby.number}", "--nofile=20").number})
    child = engine.work()
    assert (child.said["parent"], child.code) == (standby.number, 0)


def test_where_there_are_no_such_sockets(engine: Engine) -> None:
    engine.stand_by("work")
    none = "import socket; socket.SOCK_SEQPACKET = 99; " + ASK
    assert here(engine.begin(sys.executable, "-c", none))


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
    second = engine.begin_standby("work")
    assert second.code == 1
    assert "in use" in second.complaint
    assert here(engine.work())
    assert thief.code == 0
    assert thief.out.read_text() == "nothing\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_another_users_socket_keeps_nobody_waiting(engine: Engine) -> None:
    fill = (
        "import os, socket, sys, time; os.setuid(65534); name = sys.argv[1].replace('@', chr(0))\n"
        "s = socket.socket(1, 5); s.bind(name); s.listen(0); full = []\n"
        "try:\n"
        "    while True:\n"
        "        p = socket.socket(1, 5); p.setblocking(False); p.connect(name); full.append(p)\n"
        "except BlockingIOError:\n"
        "    print('full', flush=True); time.sleep(99)\n"
    )
    thief = engine.begin(sys.executable, "-c", fill, engine.address.replace("\0", "@"))
    eventually("nobody else can connect", lambda: thief.out.read_text())
    assert here(engine.work())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs namespaces")
def test_another_container_is_not_answered(engine: Engine) -> None:
    """One that shares the network, and with it such names."""
    engine.stand_by("work")
    ask = "import socket, sys; s = socket.socket(1, 5); s.connect(sys.argv[1].replace('@', chr(0)))"
    words = (sys.executable, "-c", f"{ask}; print(s.recv(99) or 'nothing')")
    address = engine.address.replace("\0", "@")
    asked = engine.begin("unshare", "--mount", "--pid", "--fork", *words, address)
    eventually("it is connected", lambda: len(engine.sockets) > 1 or not asked.goes_on)
    assert asked.code == 0
    assert asked.out.read_text() == "nothing\n"


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
    second = engine.begin_standby("work")
    assert second.code == 1
    assert "in use" in second.complaint
    assert first.goes_on
    assert engine.work().said["parent"] == first.number


@pytest.mark.parametrize("command", ["up", "about"])
def test_commands_that_run_no_program_get_none(command: str, tmp_path: Path) -> None:
    (tmp_path / "work.py").touch()
    other = started(tmp_path, command)
    try:
        assert other.stand_by("work").goes_on == (command == "up")
    finally:
        other.process.kill()
        other.process.communicate()


def test_requests_are_answered_between_imports(engine: Engine) -> None:
    part = engine.folder / "part"
    os.mkfifo(part)
    (engine.folder / "slow.py").write_text(
        "def prepare():\n    for _ in open('part'):\n        yield\n"
    )
    standby = engine.begin_standby("work", "slow")
    with part.open("w") as parts:
        child = engine.work()
        eventually("it is answered", lambda: _part(parts) and child.out.read_text())
    assert child.said["parent"] == standby.number


def _part(parts: TextIO) -> int:
    return os.write(parts.fileno(), b"is imported\n")


def test_what_is_asked_for_is_not_imported_any_further(engine: Engine) -> None:
    part = engine.folder / "part"
    os.mkfifo(part)
    more = "\ndef prepare():\n    for _ in open('part'):\n        yield\n    import rarely\n"
    (engine.folder / "work.py").write_text(WORK + more)
    standby = engine.begin_standby("work")
    with part.open("w") as parts, pytest.raises(BrokenPipeError):
        child = engine.work()
        while True:  # until nothing more is imported
            _part(parts)
    assert (child.said["parent"], child.said["imported"]) == (standby.number, False)
    assert not engine.work().said["imported"]
