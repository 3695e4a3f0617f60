"""The service on a real scheduler: runs, events, access, outages."""

from __future__ import annotations

import itertools
import ssl
import threading
import time

import httpx
import pytest
from httpx_sse import connect_sse

from nomad_lab import wait_for
from vdc.client.models import RunRequest
from vdc.errors import PoolError
from vdc.provider import processes

pytestmark = pytest.mark.real


def raw(pool, token=None) -> httpx.Client:
    trusted = ssl.create_default_context(cafile=str(pool.folder / "tls" / "ca.pem"))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(
        base_url=pool.address, verify=trusted, trust_env=False, headers=headers, timeout=20
    )


def test_a_run_gives_output_exit_code_and_reason(client):
    script = "for i in 1 2 3; do echo line $i $GREETING; sleep 0.2; done; echo oh >&2; exit 3"
    request = RunRequest(command=("sh", "-c", script), env={"GREETING": "hello there"})
    run = client.run(request)
    output = b"".join(client.run_logs(run.id, follow=True))
    assert output == b"".join(b"line %d hello there\n" % i for i in (1, 2, 3))
    ended = client.wait_run(run.id)
    assert (ended.state, ended.exit_code, ended.reason) == ("failed", 3, "task run: exit code 3")
    assert b"".join(client.run_logs(run.id, stream="stderr")) == b"oh\n"
    assert b"".join(client.run_logs(run.id, tail=1)) == b"line 3 hello there\n"
    assert run.id in [one.id for one in client.runs()]


@pytest.mark.parametrize("attempt", range(5))
def test_what_a_short_run_writes_last_is_not_lost(client, attempt):
    run = client.run(RunRequest(command=("sh", "-c", f"seq 20000; echo end {attempt}")))
    output = b"".join(client.run_logs(run.id, follow=True))
    assert output.splitlines()[-1] == b"end %d" % attempt
    assert len(output.splitlines()) == 20001
    assert client.wait_run(run.id).exit_code == 0


def test_a_run_can_be_stopped(client):
    run = client.run(RunRequest(command=("sleep", "1000")))
    wait_for("running", lambda: client.run_of(run.id).state == "running")
    client.stop_run(run.id)
    assert client.wait_run(run.id).state == "stopped"


def test_a_command_that_is_not_there_says_so(client):
    run = client.run(RunRequest(command=("/nonexistent/thing",)))
    ended = client.wait_run(run.id)
    assert ended.state == "failed"
    assert "/nonexistent/thing" in ended.reason


def test_a_run_that_fits_on_no_node_is_refused_and_one_for_another_site_too(client):
    with pytest.raises(PoolError, match="each needs 9,000 MHz, most free on one node is"):
        client.run(RunRequest(command=("true",), cpu_mhz=9000))
    with pytest.raises(PoolError, match="no node"):
        client.run(RunRequest(command=("true",), site="mars"))


def test_nodes_carry_their_group_s_facts_and_new_ones_restart_nothing(pool, client, lab):
    run = client.run(RunRequest(command=("sleep", "1000"), labels={"tier": "general"}))
    wait_for("running", lambda: client.run_of(run.id).state == "running")
    pids = {process.pid for process in _agents(lab)}
    pool.declare(price="3", labels={"tier": "gold"})
    meta = {"price_per_hour": "3.0", "label_tier": "gold"}
    for node in lab.call("GET", "/v1/nodes"):
        wait_for("new facts", lambda node=node: meta.items() <= _meta(lab, node["ID"]).items())
    assert client.pool().price_per_hour == "6.0"
    assert {node.labels["tier"] for node in client.nodes()} == {"gold"}
    assert client.run_of(run.id).state == "running"
    assert {process.pid for process in _agents(lab)} == pids
    client.stop_run(run.id)
    pool.declare()


def _meta(lab, node_id):
    return lab.call("GET", "/v1/client/metadata", params={"node_id": node_id})["Meta"]


def _agents(lab):
    return [p for name in lab.names for p in processes.find(lab.folder / name / "agent.json")]


def test_a_revoked_token_is_refused_within_five_seconds_in_streams_too(pool, lab):
    token = lab.token("vdc-operator")
    with pool.client(token) as holder, raw(pool, token) as http:
        assert holder.pool()
        with http.stream("GET", "/api/v1/events") as stream:
            lines = stream.iter_lines()
            next(lines)
            lab.revoke(token)
            revoked = time.monotonic()
            for _ in lines:
                pass
            assert time.monotonic() - revoked < 5.5
        with pytest.raises(PoolError) as caught:
            holder.pool()
        assert caught.value.status == 401
        assert time.monotonic() - revoked < 6


def test_events_are_taken_up_where_they_were_left(pool, client):
    with raw(pool, pool.operator) as http:
        with connect_sse(http, "GET", "/api/v1/events") as source:
            first = next(source.iter_sse())
            assert first.event == "reset"
        run = client.run(RunRequest(command=("true",)))
        client.wait_run(run.id)
        headers = {"Last-Event-ID": first.id}
        with connect_sse(http, "GET", "/api/v1/events", headers=headers) as source:
            states = []
            for event in source.iter_sse():
                if event.data and event.json().get("name") == run.id:
                    states.append(event.json()["state"])
                if states and states[-1] == "complete":
                    break
        assert states[0] == "pending"


def test_a_viewer_s_stream_and_a_stranger_s(pool):
    with raw(pool) as http:
        assert http.get("/api/v1/events").status_code == 401
        assert http.get("/healthz").text == "ok\n"
        assert "server" not in http.get("/healthz").headers
    clear = httpx.Client(base_url=pool.address.replace("https", "http"), trust_env=False)
    with clear, pytest.raises(httpx.HTTPError):
        clear.get("/healthz")


def test_a_server_that_is_gone_leaves_an_honest_reader(pool, client, lab):
    seen = []
    done = threading.Event()

    def listen():
        with pool.client() as listener:
            for event in listener.events():
                if event.kind == "pool":
                    seen.append(event.state)
                if event.state == "fresh":
                    done.set()
                    return

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    before = client.pool()
    lab.kill("server")
    gone = wait_for("stale", lambda: (p := client.pool()).stale and p)
    assert gone.nodes == before.nodes
    assert gone.as_of is not None
    assert client.apps() == []
    with pytest.raises(PoolError) as caught:
        client.run(RunRequest(command=("true",)))
    assert caught.value.status == 503
    assert "\n" not in str(caught.value)
    with (
        pytest.raises(PoolError) as caught,
        pool.client("00000000-0000-0000-0000-000000000000") as x,
    ):
        x.pool()
    assert caught.value.status == 503
    lab.start("server")
    started = time.time()
    wait_for("fresh", lambda: not client.pool().stale)
    assert done.wait(10)
    assert seen == ["stale", "fresh"]
    wait_for("work is taken again", lambda: _runs(client))
    wait_for("the server knows of every node again", lambda: lab.heard(started))


def _runs(client) -> bool:
    try:
        run = client.run(RunRequest(command=("true",)))
    except PoolError as error:
        assert error.status in {422, 503}
        return False
    return client.wait_run(run.id).state == "complete"


def test_a_lost_node_shows_within_the_heartbeat(pool, client, lab):
    with pool.client() as listener:
        events = listener.events()
        next(events)
        lab.kill("node-1")
        killed = time.monotonic()
        lost = next(e for e in events if (e.kind, e.name, e.state) == ("node", "node-1", "down"))
        assert lost
        assert time.monotonic() - killed < 25  # the lab's server gives 5 s of grace to 10 s
        counts = client.pool().nodes
        assert (counts.ready, counts.down) == (1, 1)
        lab.start("node-1")
        back = next(e for e in events if (e.kind, e.name, e.state) == ("node", "node-1", "ready"))
        assert back
    assert client.pool().nodes.ready == 2


def test_a_service_ends_in_order_and_quickly(pool, client):
    with pool.client() as listener:
        events = listener.events()
        next(events)
        begun = time.monotonic()
        pool.stop()
        assert time.monotonic() - begun < 3
        pool.start()
        # The listener is taken up by the next life, and told to read everything anew.
        assert next(itertools.dropwhile(lambda e: e.kind != "reset", events))
    assert wait_for("fresh", lambda: not client.pool().stale)
