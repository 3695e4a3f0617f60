"""A running data centre: what `up` gives, what a second one does, who is let in."""

from __future__ import annotations

import json
import ssl

import httpx
import pytest

from e2e.checkout import Checkout

pytestmark = pytest.mark.real


def test_three_nodes_are_ready_for_pool_and_scheduler(running: Checkout) -> None:
    wanted = running.names(3)
    assert running.ready() == wanted
    assert running.registered() == dict.fromkeys(wanted, "ready")
    with running.pool() as pool:
        whole = pool.pool()
    assert (whole.name, whole.nodes.ready, whole.stale) == (running.stack, 3, False)
    assert (whole.total.cpu_mhz, whole.total.memory_mib) == (6000, 3 * 4096)


def test_a_second_up_changes_nothing_and_says_so(running: Checkout) -> None:
    before = {name: process.pid for name, process in running.agents().items()}
    again = running.vdc("up", "--yes")
    print(f"second up: {again.seconds:.1f} s")
    assert "9 unchanged" in again.stdout
    assert not {"created", "updated", "deleted"} & set(again.stdout.split())
    assert {name: process.pid for name, process in running.agents().items()} == before


def test_outputs_say_how_to_reach_it(running: Checkout) -> None:
    outputs = json.loads(running.pulumi("stack", "output", "--json").stdout)
    profile = running.profile
    assert outputs == {
        "api": profile.address,
        "console": f"{profile.address}/",
        "ca_file": str(profile.ca_file),
        "token": f"vdc token --stack {running.stack}",
    }
    assert running.vdc("token").stdout.strip() == profile.token


def test_a_bad_declaration_changes_nothing(running: Checkout) -> None:
    good = running.declaration.read_text()
    state = running.state.read_bytes()
    before = {name: process.pid for name, process in running.agents().items()}
    running.declaration.write_text(good.replace("count: 3", "count: three") + "nmae: x\n")
    try:
        with_vdc = running.vdc("up", "--yes", code=2)
        with_pulumi = running.pulumi("up", "--yes", code=1)
    finally:
        running.declaration.write_text(good)
    file = running.declaration.relative_to(running.root)  # pulumi says it from the root on
    lines = good.splitlines()
    for done in (with_vdc, with_pulumi):
        for place in (
            f"{file}:{lines.index('        count: 3') + 1} sites.here.groups.workers.count: ",
            f"{file}:{len(lines) + 1} nmae: ",
        ):
            assert place in done.text
        assert "Traceback" not in done.text
    assert running.state.read_bytes() == state
    assert {name: process.pid for name, process in running.agents().items()} == before


def test_the_scheduler_refuses_whoever_has_no_certificate(running: Checkout) -> None:
    config = json.loads((running.own.pool / "service.json").read_text())["scheduler"]
    (server,) = config["addresses"]
    anonymous = ssl.create_default_context(cafile=config["ca_file"])
    with (
        httpx.Client(verify=anonymous, trust_env=False) as client,
        pytest.raises(httpx.TransportError, match="certificate required"),
    ):
        # With TLS 1.3 the refusal comes after the handshake, at the first read.
        client.get(f"{server}/v1/status/leader")


@pytest.mark.parametrize("path", ["/v1/nodes", "/v1/jobs", "/v1/acl/tokens", "/v1/agent/self"])
def test_the_scheduler_refuses_whoever_has_no_token(running: Checkout, path: str) -> None:
    with running.scheduler() as client:
        del client.headers["X-Nomad-Token"]
        assert client.get(path).status_code == 403


@pytest.mark.parametrize("token", [None, "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_the_pool_refuses_whoever_has_no_token(running: Checkout, token: str | None) -> None:
    profile = running.profile
    trusted = ssl.create_default_context(cafile=profile.ca_file)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=f"{profile.address}/api/v1",
        verify=trusted,
        headers=headers,
        trust_env=False,
        timeout=60,
    ) as client:
        for path in ("/pool", "/nodes", "/library", "/apps", "/runs", "/events"):
            assert client.get(path).status_code == 401, path
        assert client.post("/apps", json={"package": "hello", "name": "x"}).status_code == 401


def test_what_needs_no_token_tells_nothing(running: Checkout) -> None:
    profile = running.profile
    trusted = ssl.create_default_context(cafile=profile.ca_file)
    with httpx.Client(base_url=profile.address, verify=trusted, trust_env=False) as client:
        answer = client.get("/healthz")
    assert answer.is_success
    shown = answer.text + str(answer.headers)
    assert running.stack not in shown
    assert not any(character.isdigit() for character in answer.text)
