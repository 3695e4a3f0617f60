"""The control plane on machines of its own: three servers over SSH, each with the pool service."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.checkout import Checkout, checkout
from e2e.remains import files_below
from labs.ssh import Lab, ssh_lab
from nomad_lab import wait_for
from vdc.client import PoolClient, Profile
from vdc.errors import PoolError
from vdc.home import Home
from vdc.provider.agent import architecture
from vdc.provider.release import wheelhouse

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

SERVERS = ["m1", "s1", "s2"]
WORKER = "m2"
SIZE = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Four machines, ``s1`` and ``s2`` with systemd; no package registry is reached from here."""
    wheelhouse(architecture(), Home.of_user())
    with ssh_lab(tmp_path_factory.mktemp("lab"), 2, systemd=2) as lab, lab.inside():
        for name in lab.names:
            lab.remember(name)
        yield lab


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Checkout]:
    """Three servers and a work node; destroyed with nothing left."""
    with checkout("metal") as made:
        declare(made, lab)
        made.vdc("up", "--yes")
        yield made
        made.vdc("destroy", "--yes")
        assert made.left() == []
        assert {name: lab.changed(name) for name in lab.names} == {n: [] for n in lab.names}


def declare(
    stack: Checkout, lab: Lab, labels: dict[str, str] | None = None, **control: Any
) -> None:
    """Writes the declaration."""
    group: dict[str, Any] = {"machines": [WORKER], "size": SIZE, "drain": {"deadline": "60s"}}
    document = {
        "name": stack.stack,
        "control": {"site": "lab", "servers": len(SERVERS), **control},
        "sites": {
            "lab": {
                "kind": "ssh",
                "key": str(lab.key),
                "machines": {name: lab.declared(name) for name in (*SERVERS, WORKER)},
                "servers": {"machines": SERVERS},
                "groups": {"workers": {**group, "labels": labels or {}}},
            },
        },
    }
    stack.declaration.write_text(yaml.safe_dump(document, sort_keys=False))


def pool(stack: Checkout, lab: Lab, machine: str) -> PoolClient:
    """The pool API of one server, as its user."""
    known = stack.profile
    address = re.sub(r"//.*:", f"//{lab.address(machine)}:", known.address)
    return PoolClient.of(Profile(address, known.ca_file, known.token))


def service(lab: Lab, machine: str) -> int:
    """The process of a machine's pool service."""
    return int(lab.run(machine, "pgrep", "-u", "vdc-pool", "-f", "vdc.pool"))


def answers(stack: Checkout, lab: Lab, machine: str) -> bool:
    """Whether a server's pool service knows the pool now."""
    try:
        with pool(stack, lab, machine) as api:
            return not api.pool().stale
    except PoolError:
        return False


def test_every_server_answers_for_the_whole_pool(stack: Checkout, lab: Lab) -> None:
    for machine in SERVERS:
        with pool(stack, lab, machine) as api:
            assert [node.name for node in api.nodes()] == [f"metal-lab-workers-{WORKER}"]
    profile = json.loads(stack.own.profile.read_text())
    assert profile["address"] == f"https://{lab.address(SERVERS[0])}:4650"
    assert not (stack.own.pool / "key.pem").exists()


def test_the_service_runs_as_a_user_that_reads_its_keys_and_changes_none(lab: Lab) -> None:
    for machine in SERVERS:
        assert service(lab, machine)
        shown = lab.run(machine, "stat", "-c", "%U:%G %a", "/etc/vdc/pool/key.pem")
        assert shown.strip() == "root:vdc-pool 640"


def test_what_is_declared_anew_starts_nothing_anew(stack: Checkout, lab: Lab) -> None:
    before = [service(lab, machine) for machine in SERVERS]
    declare(stack, lab, {"tier": "gold"})
    said = stack.pulumi("preview", "--diff").stdout
    assert re.findall(r"[~+-]+ (vdc:\S+): \(", said) == ["vdc:pool:Service"]
    stack.vdc("up", "--yes")
    for machine in SERVERS:
        with pool(stack, lab, machine) as api:
            wait_for("the label", lambda api=api: api.nodes()[0].labels == {"tier": "gold"})
    assert [service(lab, machine) for machine in SERVERS] == before
    assert "unchanged" in stack.vdc("up", "--yes").stdout


@pytest.mark.parametrize("machine", ["m1", "s1"])
def test_a_service_that_dies_comes_back_by_itself(stack: Checkout, lab: Lab, machine: str) -> None:
    before = service(lab, machine)
    lab.run(machine, "kill", "-9", str(before))
    wait_for("another process", lambda: answers(stack, lab, machine))
    assert service(lab, machine) != before


def test_what_one_service_installs_the_others_see(stack: Checkout, lab: Lab) -> None:
    with pool(stack, lab, "s1") as first, pool(stack, lab, "m1") as other:
        assert first.install("hello", "web", {"count": 1}).status == "healthy"
        wait_for("the app", lambda: [app.status for app in other.apps()] == ["healthy"])
        (endpoint,) = other.app("web").endpoints
        assert endpoint.url.startswith(f"http://{lab.address(WORKER)}:")
        other.stop("web", purge=True)
        wait_for("its end", lambda: first.apps() == [])


def test_a_wheelhouse_of_the_same_content_changes_no_server(stack: Checkout, lab: Lab) -> None:
    before = [service(lab, machine) for machine in SERVERS]
    house = wheelhouse(architecture(), Home.of_user())
    declare(stack, lab, release={"url": str(house.path), "sha256": house.sha256})
    stack.vdc("up", "--yes")
    assert [service(lab, machine) for machine in SERVERS] == before


def test_with_a_server_lost_the_others_go_on(stack: Checkout, lab: Lab) -> None:
    lab.power_off("s2")
    for machine in ("m1", "s1"):
        wait_for(f"an answer of {machine}", lambda m=machine: answers(stack, lab, m))
    lab.boot("s2")
    wait_for("its return", lambda: answers(stack, lab, "s2"))


def test_the_key_of_the_service_is_in_no_file_of_the_user(stack: Checkout, lab: Lab) -> None:
    key = lab.run("s1", "cat", "/etc/vdc/pool/key.pem").splitlines()[1]
    files = [path for path in files_below(stack.base) if path.is_file()]
    assert [path for path in files if key.encode() in path.read_bytes()] == []
