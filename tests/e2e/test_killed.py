"""`pulumi up` is killed, at any moment: the next command goes on without a question."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest

from e2e.checkout import Checkout
from e2e.eventually import eventually, settled
from e2e.remains import processes_of

pytestmark = pytest.mark.real

RELEASED = "released the lock of an interrupted run"


def chance(seed: int) -> random.Random:
    """Parts of a whole that are the same in every run."""
    return random.Random(seed)  # noqa: S311 - nothing secret hangs on it


@dataclass(frozen=True)
class Cut:
    """How a command ended: killed or by itself, and whether a killed one held its lock."""

    killed: bool
    locked: bool = False


def kill_within(place: Checkout, moment_s: float, *command: str) -> Cut:
    """Starts a command and kills its ``pulumi`` after so many seconds, if it still runs then."""
    process = place.begin(*command)
    pulumi = eventually("pulumi is started", lambda: pulumi_of(process))
    try:
        pulumi.wait(moment_s)
    except psutil.TimeoutExpired:
        pulumi.kill()
        assert process.wait(30) != 0
        return Cut(killed=True, locked=place.locked())
    assert process.wait(60) == 0, place.last_words.read_text()
    return Cut(killed=False)


def whole(place: Checkout, *command: str) -> float:
    """How long ``pulumi`` is at work when nobody kills it, in seconds."""
    process = place.begin(*command)
    pulumi = eventually("pulumi is started", lambda: pulumi_of(process))
    begun = time.monotonic()
    pulumi.wait(place.patience_s)
    length = time.monotonic() - begun
    assert process.wait(60) == 0, place.last_words.read_text()
    return length


def kill_once(place: Checkout, what: str, holds: Callable[[], bool], *command: str) -> None:
    """Starts a command and kills its ``pulumi`` as soon as something holds."""
    process = place.begin(*command)
    pulumi = eventually("pulumi is started", lambda: pulumi_of(process))
    eventually(what, holds)
    pulumi.kill()
    assert process.wait(30) != 0


def pulumi_of(process: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The engine at work under ``vdc``; it starts shorter ones before that."""
    try:
        children = psutil.Process(process.pid).children()
        working = [p for p in children if {"up", "destroy"} & set(p.cmdline()[1:2])]
    except psutil.NoSuchProcess:
        return None
    assert process.poll() is None, "it ended before it started pulumi"
    return working[0] if working else None


def converges(place: Checkout, workers: int, said: str = "") -> None:
    """The next ``up``, with nobody at the terminal, ends in just what is declared."""
    done = place.vdc("up", "--yes")
    assert said in done.stderr, done.text
    wanted = place.names(workers)
    assert sorted(place.registered()) == wanted
    assert settled(place.ready, wanted) == wanted
    alone(place, workers)


def alone(place: Checkout, workers: int) -> None:
    """Nothing runs but the server, the agents and the service: no engine, no provider."""
    running = processes_of(place.home.data)
    names = sorted(process.name() for process in running)
    assert len(running) == workers + 2, names
    assert not any("pulumi" in " ".join(process.cmdline()) for process in running)
    assert len(list(place.own.nodes.glob("*/"))) == workers + 1


@pytest.mark.long
def test_a_killed_up_can_be_destroyed(fresh: Checkout) -> None:
    agents = fresh.own.nodes
    kill_once(fresh, "agents are started", lambda: len(list(agents.glob("*/data"))) > 2,
              "up", "--yes")  # fmt: skip
    destroyed = fresh.vdc("destroy", "--yes")
    assert RELEASED in destroyed.stderr
    assert fresh.left() == []


@pytest.mark.long
def test_a_group_that_a_killed_up_had_begun_and_nothing_declares_is_gone(fresh: Checkout) -> None:
    fresh.vdc("up", "--yes")
    before = fresh.workers()
    fresh.declare(groups={"more": 2})
    kill_once(fresh, "a node of the group is begun",
              lambda: any(fresh.own.nodes.glob("*-more-*/agent.json")), "up", "--yes")  # fmt: skip
    fresh.declare()
    converges(fresh, 3, RELEASED)
    assert fresh.workers() == before


@pytest.mark.long
def test_up_converges_after_a_kill_at_any_of_twenty_moments(fresh: Checkout) -> None:
    """First ups, growths and shrinkings in turn; one that has finished counts as no moment."""
    lengths = {}
    for workers in (3, 5, 2):
        fresh.declare(workers=workers)
        lengths[workers] = whole(fresh, "up", "--yes")
    fresh.vdc("destroy", "--yes")
    print(f"whole: {lengths}")

    draw, killed = chance(2), 0
    while killed < 20:
        for workers, length in lengths.items():
            moment = draw.uniform(0, length)
            fresh.declare(workers=workers)
            cut = kill_within(fresh, moment, "up", "--yes")
            print(f"{workers} nodes, after {moment:.1f} s: {cut}")
            converges(fresh, workers, RELEASED if cut.locked else "")
            killed += cut.killed
        fresh.vdc("destroy", "--yes")
        assert fresh.left() == []
