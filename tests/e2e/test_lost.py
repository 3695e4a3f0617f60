"""Machines are lost: one agent dies, or the whole machine was switched off."""

from __future__ import annotations

import contextlib
import queue
import threading
import time

import psutil
import pytest

from e2e.checkout import Checkout
from e2e.eventually import eventually
from e2e.remains import processes_of
from vdc.client.models import App, Event
from vdc.errors import PoolError

pytestmark = [pytest.mark.real, pytest.mark.long]

# What the servers' configuration comes to: heartbeats of 5 to 10 s and 5 s of grace; the rest is
# for a busy machine.
HEARTBEAT_S = 15.0 + 10.0


def test_a_killed_agent_is_noticed_replaced_and_restored(fresh: Checkout) -> None:
    fresh.vdc("up", "--yes")
    with fresh.pool() as pool:
        pool.install("hello", "web", {"count": 3})
    lost, *others = fresh.names(3)
    before = fresh.workers()

    events = _events(fresh)
    fresh.agents()[lost].kill()
    killed = time.monotonic()
    _await_node(events, lost, "down", killed + HEARTBEAT_S)
    print(f"noticed after {time.monotonic() - killed:.1f} s")
    eventually("its work runs elsewhere", lambda: _placed_on(fresh, "web", others, 3))

    preview = fresh.pulumi("preview", "--refresh", "--diff").stdout
    assert _differing(preview, fresh.names(3)) == {lost}
    assert "1 to update" in preview

    restored = fresh.pulumi("up", "--refresh", "--yes")
    print(f"restored in {restored.seconds:.1f} s")
    assert fresh.ready() == fresh.names(3)
    after = fresh.workers()
    assert {name: after[name] for name in others} == {name: before[name] for name in others}
    assert after[lost] != before[lost]


def test_after_a_reboot_up_brings_everything_back(fresh: Checkout) -> None:
    fresh.declare(apps={"web": {"package": "hello"}})
    fresh.vdc("up", "--yes")
    _switch_off(fresh)
    back = fresh.vdc("up", "--yes")
    print(f"back in {back.seconds:.1f} s")
    assert fresh.ready() == fresh.names(3)
    with fresh.pool() as pool:
        app = eventually("the app is healthy", lambda: _healthy(pool.app("web")))
    assert len(app.endpoints) == 2


def test_after_a_reboot_destroy_leaves_nothing(fresh: Checkout) -> None:
    fresh.vdc("up", "--yes")
    with fresh.pool() as pool:
        pool.install("hello", "web")
    _switch_off(fresh)
    fresh.vdc("destroy", "--yes")
    assert fresh.left() == []


def _switch_off(place: Checkout) -> None:
    """Ends every process at once, as a power cut does; the disk stays."""
    gone = processes_of(place.home.data)
    assert len(gone) >= 5
    for process in gone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(gone, 30)
    assert processes_of(place.home.data) == []


def _events(place: Checkout) -> queue.Queue[Event]:
    """The pool's events from now on."""
    events: queue.Queue[Event] = queue.Queue()

    def follow() -> None:
        with contextlib.suppress(PoolError), place.pool() as pool:
            for event in pool.events():
                events.put(event)

    threading.Thread(target=follow, daemon=True).start()
    assert events.get(timeout=10).kind == "reset"
    return events


def _await_node(events: queue.Queue[Event], name: str, state: str, deadline: float) -> None:
    while True:
        event = events.get(timeout=max(0.0, deadline - time.monotonic()))
        if (event.kind, event.name, event.state) == ("node", name, state):
            return


def _placed_on(place: Checkout, job: str, nodes: list[str], count: int) -> bool:
    """Whether so many instances of a job run, all of them on these nodes."""
    with place.scheduler() as scheduler:
        found = scheduler.get(f"/v1/job/{job}/allocations").json()
    running = [a["NodeName"] for a in found if a["ClientStatus"] == "running"]
    return len(running) == count and set(running) <= set(nodes)


def _differing(preview: str, names: list[str]) -> set[str]:
    """The nodes whose lines a preview marks as changed, made or removed."""
    marked = [line.strip() for line in preview.splitlines() if line.strip()[:1] in {"~", "+", "-"}]
    return {name for name in names for line in marked if name in line}


def _healthy(app: App) -> App | None:
    return app if app.status == "healthy" else None
