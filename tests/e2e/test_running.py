"""A running data centre: what `up` gives and a second one does, who is let in, what is secret."""

from __future__ import annotations

import contextlib
import json
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from e2e.checkout import Checkout
from e2e.planted import Exposed, planted
from e2e.remains import files_below

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


# --- keys and tokens are where they belong and nowhere else ---------------------------------------


@pytest.fixture(scope="module")
def exposed(running: Checkout) -> Exposed:
    return Exposed(running, planted(running), running.first_words.read_text())


def test_the_secrets_are_known(exposed: Exposed) -> None:
    """The other tests here prove something only if this one holds."""
    names = {secret.name for secret in exposed.secrets if secret.traces}
    holders = ("ca", "server", "client", "cli", "service", "join_ca")
    keys = {f"authority.outputs.{holder}_key" for holder in holders}
    tokens = {f"cluster.outputs.{holder}_token" for holder in ("provisioner", "operator")}
    assert keys | tokens <= names
    assert {"authority.outputs.gossip_key", "authority.outputs.bootstrap_token"} <= names
    profile = (exposed.place.own.profile).read_text()
    assert "cluster.outputs.operator_token" in exposed.found_in(profile)


def test_no_command_shows_one(exposed: Exposed) -> None:
    place = exposed.place
    place.declare(workers=4)
    shown = {
        "vdc up --diff": exposed.shown,
        "pulumi preview --diff": place.pulumi("preview", "--diff").text,
        "pulumi stack export": place.pulumi("stack", "export").text,
        "pulumi stack output": place.pulumi("stack", "output", "--json").text,
        "vdc env": place.vdc("env").text,
    }
    place.declare(workers=3)
    assert exposed.given_away(shown.items()) == {}
    assert "PRIVATE KEY" not in "".join(shown.values())


@pytest.mark.long
def test_a_preview_for_programs_shows_none(exposed: Exposed) -> None:
    exposed.place.declare(workers=4)
    shown = exposed.place.pulumi("preview", "--json").text
    exposed.place.declare(workers=3)
    assert exposed.found_in(shown) == []
    assert "PRIVATE KEY" not in shown


def test_the_state_holds_none_in_the_clear(exposed: Exposed) -> None:
    files = list(files_below(exposed.place.home.backend))
    assert exposed.place.state in files
    assert exposed.given_away((path, _text(path)) for path in files) == {}


def test_no_log_holds_one(exposed: Exposed) -> None:
    own = exposed.place.own
    files = [path for path in files_below(own.root) if path.is_file()]  # and no pipe of a task
    logs = [path for path in files if path.suffix == ".log" or path.parent.name == "logs"]
    assert len([log for log in logs if log.stat().st_size]) >= 5
    assert exposed.given_away((path, _text(path)) for path in logs) == {}


def test_no_process_carries_one(exposed: Exposed) -> None:
    """Not in its arguments, which everybody sees, nor in its environment, which children get."""
    assert exposed.given_away(_processes()) == {}


def test_only_their_owner_reads_the_files_that_hold_one(exposed: Exposed) -> None:
    holding = {}
    for path in files_below(exposed.place.home.data):
        with contextlib.suppress(FileNotFoundError):  # see _text
            if path.is_file() and exposed.found_in(_text(path)):
                holding[path] = stat.S_IMODE(path.stat().st_mode)
    assert exposed.place.own.passphrase in holding
    assert exposed.place.own.profile in holding
    assert {path: oct(mode) for path, mode in holding.items() if mode & 0o077} == {}


def test_the_home_is_closed_to_others(exposed: Exposed) -> None:
    """Whatever a file's own mode is: tasks and agents write some that are open."""
    place = exposed.place
    for folder in (place.own.root, place.home.backend):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0, folder


def _processes() -> Iterator[tuple[str, str]]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
            yield str(process), json.dumps([process.cmdline(), process.environ()])


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""  # agents replace their files while they run
