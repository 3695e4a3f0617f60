"""Who is let in: nobody without a token the scheduler vouches for, but for a listed set."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from vdc.errors import SchedulerError
from vdc.pool.app import create_app
from vdc.pool.auth import FRESH_S, JOINING, OPEN, Gate
from vdc.pool.config import PoolConfig
from vdc.pool.refusal import RefusalError
from vdc.pool.service import Service

GOOD = "0b0e4b5c-good"
SEES_NODES = "0b0e4b5c-nodes"


@dataclass
class _Judge:
    """Stands where the scheduler's client stands, and knows two tokens."""

    known: dict[str, tuple[bool, bool]] = field(
        default_factory=lambda: {GOOD: (True, True), SEES_NODES: (True, False)}
    )
    away: bool = False
    asked: int = 0

    async def call(self, _method, path, *, token="", **_):
        self.asked += path == "/v1/acl/token/self"
        await asyncio.sleep(0)
        if self.away:
            raise SchedulerError("no answer", 0)
        if token not in self.known:
            raise SchedulerError("ACL token not found", 403)
        nodes, work = self.known[token]
        if (path == "/v1/nodes" and not nodes) or (path == "/v1/jobs" and not work):
            raise SchedulerError("Permission denied", 403)
        return httpx.Response(200)


@pytest.fixture
def judge() -> _Judge:
    return _Judge()


class _Client:
    """Calls an application in this process, each time on a loop of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = create_app(service)

    def request(self, method: str, path: str, **options) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport) as http:
                return await http.request(method, "https://pool" + path, **options)

        return asyncio.run(send())

    def get(self, path: str, **options) -> httpx.Response:
        return self.request("GET", path, **options)


@pytest.fixture
def client(judge: _Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Client:
    """The whole application, never started: its scheduler is out of touch."""
    monkeypatch.setattr("vdc.pool.service.Nomad", lambda *_: judge)
    monkeypatch.setattr("vdc.pool.service._READY_S", 0.01)
    service = Service(
        PoolConfig.of(
            {
                "name": "secret-centre",
                "host": "127.0.0.1",
                "port": 0,
                "cert_file": "c",
                "key_file": "k",
                "scheduler": {"addresses": [], "ca_file": "a", "cert_file": "c", "key_file": "k"},
                "packages_dir": str(tmp_path),
            }
        )
    )
    service._loaded.set()
    return _Client(service)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def routes(client: _Client) -> list[tuple[str, str]]:
    """Every route that OpenAPI tells of, with its parameters filled in."""
    document = client.get("/api/v1/openapi.json", headers=bearer(GOOD)).json()
    return [
        (method.upper(), path.format(name="web", package="hello", run="run-1", sha256="0" * 64))
        for path, methods in document["paths"].items()
        for method in methods
    ]


def test_every_route_needs_a_good_token(client):
    found = routes(client)
    assert len(found) >= 17
    refusals = [{}, bearer("wrong"), bearer(""), {"Authorization": f"Basic {GOOD}"},
                {"Authorization": GOOD}, bearer("x" * 5000), {"X-Nomad-Token": GOOD}]  # fmt: skip
    for (method, path), headers in itertools.product(found, refusals):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == 401, (method, path, headers)
        assert set(answer.json()) == {"error"}
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_route_of_the_application_is_documented_or_open(client):
    """So that the test above has walked them all."""
    documented = client.app.openapi()["paths"].keys()
    served = {
        path
        for route in client.app.routes
        for path in _paths(route)
        if path != client.app.openapi_url
    }
    for_nodes = {path for path in served if path.startswith(JOINING)}
    assert len(for_nodes) == 5
    assert served - documented - for_nodes == OPEN


def _paths(route) -> Iterator[str]:
    inner = getattr(route, "original_router", None)
    if inner is None:
        yield route.path
    else:
        yield from (one.path for one in inner.routes)


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/docs", "/api/v1/openapi.json",
                                  "//healthz", "/healthz/", "/healthz/../api/v1/pool",
                                  "/join/v1", "/join/v2/nodes/n", "/Join/v1/nodes/n"])  # fmt: skip
def test_unknown_paths_and_the_schema_need_a_token_too(client, path):
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("path", sorted(OPEN))
def test_what_is_open_tells_nothing(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    for secret in ("secret-centre", "1.", "node", "vdc", "nomad", "uvicorn"):
        assert secret not in answer.text.lower().replace("<!doctype html>", "")
    assert "server" not in answer.headers


def test_where_no_ca_is_configured_nobody_joins(client):
    for method, path in (("POST", "nodes/n"), ("POST", "nodes/n/renewal"), ("GET", "bundles/0")):
        answer = client.request(method, JOINING + path)
        assert (answer.status_code, answer.text) == (404, "there is nothing at this address\n")


def test_headers_of_every_answer(client):
    for path in ("/", "/api/v1/pool"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" in headers


def test_the_scheduler_decides_what_is_seen(client):
    assert client.get("/api/v1/nodes", headers=bearer(SEES_NODES)).status_code == 200
    for path in ("/api/v1/apps", "/api/v1/runs", "/api/v1/runs/run-1"):
        answer = client.get(path, headers=bearer(SEES_NODES))
        assert answer.status_code == 403
        assert "does not permit" in answer.json()["error"]["message"]


def test_without_the_scheduler_it_reads_and_says_so_and_changes_nothing(client):
    heard = datetime(2026, 1, 1, tzinfo=UTC)
    client.service.follower.as_of = heard
    pool = client.get("/api/v1/pool", headers=bearer(GOOD)).json()
    assert pool["stale"] is True
    assert datetime.fromisoformat(pool["as_of"]) == heard
    body = {"package": "hello", "name": "web"}
    answer = client.request("POST", "/api/v1/apps", json=body, headers=bearer(GOOD))
    assert answer.status_code == 503
    assert "scheduler does not answer" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "/apps", {"package": "hello"}, "name: field required"),
        ("POST", "/apps", {"package": "hello", "name": "No!"}, "name: string should match"),
        ("POST", "/apps", {"package": "hello", "name": "a", "x": 1}, "x: extra inputs"),
        ("POST", "/apps", [], "body: "),
        ("POST", "/runs", {"command": []}, "command: "),
        ("POST", "/runs", {"command": ["a"], "cpu_mhz": 0}, "cpu_mhz: input should be greater"),
        ("POST", "/apps/web/scale", {"count": "many"}, "count: "),
        ("GET", "/apps/web/logs?stream=out", None, "stream: "),
        ("GET", "/library/helo", None, "hello"),
        ("GET", "/apps/nothing", None, "there is no app nothing"),
        ("GET", "/runs/run-1", None, "there is no run run-1"),
        ("GET", "/nothing", None, "nothing at this address"),
        ("PUT", "/pool", None, "another method"),
    ],
)
def test_a_bad_request_is_one_clear_line(client, method, path, body, said):
    client.service.follower._fresh.set()
    answer = client.request(method, "/api/v1" + path, json=body, headers=bearer(GOOD))
    assert 400 <= answer.status_code < 500
    failure = answer.json()["error"]
    assert set(failure) <= {"message", "remedy"}
    assert said in failure["message"] + failure.get("remedy", "")
    assert "\n" not in failure["message"]


def test_a_body_too_large_or_no_json_is_refused(client):
    client.service.follower._fresh.set()
    for content, status in ((b"{" * 10, 400), (b" " * 5_000_000, 413)):
        answer = client.request("POST", "/api/v1/apps", content=content, headers=bearer(GOOD))
        assert answer.status_code == status


# --- the gate --------------------------------------------------------------------


def ask(gate: Gate, token: str):
    return asyncio.run(gate.caller(token))


def test_a_good_answer_is_remembered_for_less_than_five_seconds(judge):
    gate = Gate(judge, lambda: False)
    first = ask(gate, GOOD)
    assert ask(gate, GOOD) is first
    assert judge.asked == 1
    (key,) = gate._known
    gate._known[key] = replace(first, checked=first.checked - FRESH_S)
    assert ask(gate, GOOD) is not first
    assert FRESH_S < 5


def test_a_revoked_token_is_refused_once_the_answer_has_aged(judge):
    gate = Gate(judge, lambda: False)
    first = ask(gate, GOOD)
    del judge.known[GOOD]
    (key,) = gate._known
    gate._known[key] = replace(first, checked=first.checked - FRESH_S)
    for _ in range(2):
        with pytest.raises(RefusalError) as caught:
            ask(gate, GOOD)
        assert caught.value.status == 401


def test_during_an_outage_known_tokens_still_read_and_others_cannot_be_judged(judge):
    gate = Gate(judge, lambda: judge.away)
    first = ask(gate, GOOD)
    judge.away = True
    (key,) = gate._known
    gate._known[key] = replace(first, checked=first.checked - 3600)
    assert ask(gate, GOOD).token == GOOD
    with pytest.raises(RefusalError) as caught:
        ask(gate, "wrong")
    assert caught.value.status == 503


def test_many_requests_with_one_token_are_one_question(judge):
    async def scenario():
        gate = Gate(judge, lambda: False)
        await asyncio.gather(*(gate.caller(GOOD) for _ in range(50)))

    asyncio.run(scenario())
    assert judge.asked == 1


def test_tokens_are_not_shown(judge):
    gate = Gate(judge, lambda: False)
    caller = ask(gate, GOOD)
    assert GOOD not in repr(caller)
    assert GOOD not in repr(gate._known)
