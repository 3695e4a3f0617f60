"""``hello`` on a real pool: installed, changed, scaled and moved without a failed request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from commands.fake import Panel
from nomad_lab import NomadLab, wait_for
from pool_lab import PoolLab

pytestmark = pytest.mark.real

HOSTILE = '${meta.python} {{ env "HOME" }} %{ if true }x%{ endif } "quoted" \\ 😀'


@dataclass
class Caller:
    """Asks an app again and again, at the addresses that the pool names."""

    pool: PoolLab
    app: str
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)

    def ask(self, http: httpx.Client, urls: list[str]) -> None:
        """One request, which fails when nobody answers it."""
        errors = []
        for url in urls:
            try:
                answer = http.get(url).raise_for_status().json()
            except httpx.HTTPError as error:
                errors.append(f"{url}: {error!r}")
                continue
            self.answers += 1
            self.nodes.add(answer["node"])
            return
        self.failures.append("; ".join(errors) or "no address")

    def run(self, until: threading.Event) -> None:
        """Asks until told otherwise."""
        with self.pool.client() as client, httpx.Client(trust_env=False, timeout=5) as http:
            while not until.is_set():
                urls = [endpoint.url for endpoint in client.app(self.app).endpoints]
                for _ in range(10):
                    self.ask(http, urls)
                    time.sleep(0.01)


@contextmanager
def calling(pool: PoolLab, app: str) -> Iterator[Caller]:
    """A caller at work while the block runs; nothing may have failed at its end."""
    caller, over = Caller(pool, app), threading.Event()
    thread = threading.Thread(target=caller.run, args=(over,))
    thread.start()
    try:
        yield caller
    finally:
        over.set()
        thread.join()
    assert not caller.failures
    assert caller.answers > 20


def test_it_answers_with_just_the_message_that_it_was_given(vdc: Panel, pool: PoolLab):
    done = vdc("install", "hello", "--name", "web", "--set", f"message={HOSTILE}")
    assert done.exit_code == 0, done.exception
    with pool.client() as client:
        endpoints = client.app("web").endpoints
    assert len(endpoints) == 2
    for endpoint in endpoints:
        answer = httpx.get(endpoint.url, trust_env=False).json()
        assert (answer["message"], answer["app"]) == (HOSTILE, "web")


def test_another_message_reaches_callers_without_a_failed_request(vdc: Panel, pool: PoolLab):
    with calling(pool, "web"):
        done = vdc("install", "hello", "--name", "web", "--set", "message=changed")
        assert done.exit_code == 0, done.exception


def test_a_drained_node_loses_nobodys_request(lab: NomadLab, pool: PoolLab):
    def placed() -> list[dict[str, str]]:
        allocations = lab.call("GET", "/v1/job/web/allocations")
        assert isinstance(allocations, list)
        return [a for a in allocations if a["ClientStatus"] == "running"]

    node = placed()[0]
    with calling(pool, "web") as caller:
        spec = {"DrainSpec": {"Deadline": 60_000_000_000}, "MarkEligible": False}
        lab.call("POST", f"/v1/node/{node['NodeID']}/drain", body=spec)

        def moved() -> bool:
            found = placed()
            return len(found) == 2 and node["NodeID"] not in {a["NodeID"] for a in found}

        wait_for("both instances elsewhere", moved)
        caller.nodes.clear()
        wait_for("answers of both instances", lambda: len(caller.nodes) >= 1)
    lab.call("POST", f"/v1/node/{node['NodeID']}/drain",
             body={"DrainSpec": None, "MarkEligible": True})  # fmt: skip
    assert node["NodeName"] not in caller.nodes


def test_scale_returns_when_the_new_instances_answer(vdc: Panel):
    assert vdc("scale", "web", "3").exit_code == 0
    assert "3 of 3 run" in vdc.said


def test_what_does_not_fit_is_refused_with_the_reason(vdc: Panel):
    error = vdc("install", "hello", "--name", "huge", "--set", "count=900").exception
    assert "does not fit" in str(error)


def test_run_returns_output_and_exit_code(vdc: Panel):
    done = vdc("run", "--env", "A=b c", "--", "/bin/sh", "-c", "echo $A; echo no >&2; exit 7")
    assert (done.exit_code, vdc.said, vdc.notes) == (7, "b c\n", "no\n")


def test_a_command_that_is_not_there_never_ran(vdc: Panel):
    assert vdc("run", "--", "/no/such/program").exit_code == 125
    assert "/no/such/program" in vdc.notes


def test_logs_and_stop(vdc: Panel):
    assert vdc("logs", "web").exit_code == 0
    assert vdc.said.startswith("hello from ")
    assert vdc("stop", "web", "--purge").exit_code == 0
    assert vdc("apps").exit_code == 0
    assert "web" not in vdc.said
