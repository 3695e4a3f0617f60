"""A cloud's machines become nodes: the real client, a metadata service, a real scheduler."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ec2_metadata import Metadata, Signer, document, metadata
from fleet_lab import METADATA, NOTICE, Fleet, FleetMachine
from join_lab import as_provisioner, audit
from nomad_lab import SITE, NomadLab, nomad_lab, wait_for
from pool_lab import PoolLab, pool_lab
from vdc.bootstrap.layout import NAMELESS
from vdc.provider.enrolment import dismiss
from vdc.provider.fleet_pool import FleetPool
from vdc.provider.permissions import Permissions

pytestmark = pytest.mark.real

SHELLS = {"sh": ("/bin/sh",), "dash": ("dash",), "busybox": ("busybox", "sh"), "bash": ("bash",)}
SPOT = '{"action": "terminate", "time": "2026-05-01T00:00:00Z"}'
ROLE = "meta-data/iam/security-credentials/"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """A scheduler without a node."""
    with nomad_lab(tmp_path_factory.mktemp("fleets") / "lab", clients=0) as lab:
        yield lab


@pytest.fixture(scope="module")
def pool(lab: NomadLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    """The service that machines ask."""
    with pool_lab(lab, tmp_path_factory.mktemp("service")) as pool:
        yield pool


@pytest.fixture(scope="module")
def signer() -> Signer:
    """The cloud's key."""
    return Signer()


@pytest.fixture
def cloud() -> Iterator[Metadata]:
    """What the cloud tells a machine."""
    with metadata() as cloud:
        yield cloud


@pytest.fixture
def fleet(pool: PoolLab, signer: Signer, request: pytest.FixtureRequest) -> Fleet:
    """A group of its own for each test."""
    fleet = Fleet(pool, f"g{_digest(request)[:8]}", signer)
    fleet.enrol()
    return fleet


def _digest(request: pytest.FixtureRequest) -> str:
    return hashlib.sha256(request.node.name.encode()).hexdigest()


@pytest.fixture
def machine(fleet: Fleet, cloud: Metadata, tmp_path: Path, request) -> Iterator[FleetMachine]:
    """One of its machines, just started."""
    made = build(fleet, cloud, tmp_path / "root", f"i-{_digest(request)[:17]}")
    yield made
    made.remove()


def build(fleet: Fleet, cloud: Metadata, root: Path, identifier: str) -> FleetMachine:
    made = FleetMachine(
        fleet.pool, f"{fleet.prefix}-{identifier}", root, cloud=cloud, fleet=fleet, id=identifier
    )
    made.choose_ports()
    made.told()
    return made


def call(machine: FleetMachine, *words: str) -> subprocess.CompletedProcess[str]:
    return machine.run(*words, VDC_METADATA=machine.cloud.address)


def refused(machine: FleetMachine) -> str:
    done = call(machine, "join")
    assert done.returncode == 1
    return done.stderr.splitlines()[-1].removeprefix("vdc-node: refused: ")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_machine_finds_its_name_and_becomes_a_node(machine, pool, shell):
    machine.shell = SHELLS[shell]
    done = call(machine, "join")
    assert done.returncode == 0, done.stderr
    assert json.loads(machine.config.read_text())["name"] == machine.name
    facts = machine.root / "etc/vdc/node.env"
    assert facts.read_text().endswith(f"\nVDC_NAME={machine.name}\n")
    assert facts.stat().st_mode & 0o777 == 0o644
    assert not machine.secret_file.exists()
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    assert [line["event"] for line in audit(pool, machine.name)] == ["joined"]


def test_what_is_done_is_not_done_again(machine):
    assert call(machine, "join").returncode == 0
    before = {file: file.read_bytes() for file in machine.root.rglob("*") if file.is_file()}
    machine.cloud.said.clear()
    assert call(machine, "join").returncode == 0
    assert {file: file.read_bytes() for file in machine.root.rglob("*") if file.is_file()} == before
    assert list((machine.root / "run/vdc").iterdir()) == []


def test_it_renews_without_asking_its_cloud(machine, pool):
    assert call(machine, "join").returncode == 0
    machine.cloud.said.clear()
    done = call(machine, "renew", "--now")
    assert done.returncode == 0, done.stderr
    assert [line["event"] for line in audit(pool, machine.name)] == ["joined", "renewed"]


def test_a_machine_from_an_image_of_a_node_takes_neither_its_name_nor_its_key(
    machine, fleet, cloud, tmp_path
):
    assert call(machine, "join").returncode == 0
    copy = build(fleet, cloud, tmp_path / "copy", "i-00000000000000abc")
    copy.tls.key.parent.mkdir(parents=True)
    copy.tls.key.write_bytes(machine.tls.key.read_bytes())
    copy.tls.cert.write_bytes(machine.tls.cert.read_bytes())
    old = machine.tls.cert.stat().st_mtime - 60
    os.utime(copy.tls.cert, (old, old))
    assert call(copy, "join").returncode == 0
    assert copy.tls.key.read_bytes() != machine.tls.key.read_bytes()
    assert f"CN={copy.name}" in subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", copy.tls.cert],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_who_has_all_that_a_machine_had_joins_as_nobody(machine, fleet, cloud, pool, tmp_path):
    assert call(machine, "join").returncode == 0
    thief = FleetMachine(
        pool, machine.name, tmp_path / "thief", cloud=cloud, fleet=fleet, id=machine.id
    )
    thief.told()
    assert refused(thief).startswith("this machine has joined already")
    assert [line.get("reason") for line in audit(pool, machine.name)] == [None, "replayed"]


def test_without_a_signature_the_secret_opens_nothing(machine, pool, fleet):
    machine.cloud.said["dynamic/instance-identity/rsa2048"] = Signer().rsa2048(document(machine.id))
    assert refused(machine).startswith("the signature is not by the key of the declared")
    (line,) = audit(pool, f"{SITE}/{fleet.group}")
    assert line["reason"] == "unsigned"


def test_a_dismissed_group_takes_nobody_in(machine, pool, fleet):
    as_provisioner(pool, lambda nomad: dismiss(nomad, SITE, fleet.group))
    assert refused(machine) == "the group's admission was revoked"


@pytest.mark.long
def test_a_machine_too_many_waits(fleet, cloud, tmp_path):
    fleet.enrol(1)
    for number in range(3):
        one = build(fleet, cloud, tmp_path / str(number), f"i-{number:017x}")
        done = call(one, "join", "--for", "1")
        assert done.returncode == (0 if number < 2 else 75), done.stderr
    assert "the group has all the nodes that it may have" in done.stderr


def test_a_cloud_that_does_not_answer_is_said(machine):
    done = machine.run("join", VDC_METADATA="http://127.0.0.1:1")
    assert done.returncode == 75
    assert done.stderr.splitlines() == [
        "vdc-metadata: no answer from http://127.0.0.1:1/latest",
        "vdc-node: the cloud does not say which machine this is",
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_metadata_is_asked_with_a_token(cloud, shell):
    cloud.said["meta-data/instance-id"] = "i-1"
    env = {"VDC_METADATA": cloud.address, "PATH": os.environ["PATH"]}

    def ask(path: str) -> tuple[int, str]:
        done = subprocess.run(
            [*SHELLS[shell], METADATA, path], env=env, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    assert ask("meta-data/instance-id") == (0, "i-1")
    assert ask("meta-data/spot/instance-action") == (3, "")


def test_a_fleet_sees_its_machine_from_its_start_to_its_end(machine, fleet, pool):
    def fleet_pool(act):
        def of(nomad):
            return act(
                FleetPool(nomad, SITE, fleet.group, ready_s=60, drain_s=30, permitted=Permissions())
            )

        return as_provisioner(pool, of)

    name = frozenset({machine.name})
    assert fleet_pool(FleetPool.standing) == {}
    assert call(machine, "join").returncode == 0
    machine.start()
    fleet_pool(lambda it: it.wait_ready(machine.name))
    assert fleet_pool(FleetPool.standing) == {machine.name: "ready"}

    assert fleet_pool(lambda it: it.drain(name)) == {}
    assert fleet_pool(FleetPool.standing) == {machine.name: "leaving"}
    fleet_pool(lambda it: it.dismiss(name))
    assert call(machine, "renew", "--now").returncode == 1

    machine.stop()
    fleet_pool(lambda it: it.forget_others(name))
    assert machine.name in fleet_pool(FleetPool.standing)
    fleet_pool(lambda it: it.forget_others(frozenset()))
    assert fleet_pool(FleetPool.standing) == {}


# --- an end that the cloud decides -----------------------------------------------


@pytest.fixture
def watched(machine: FleetMachine, request) -> Iterator[subprocess.Popen[str]]:
    """What watches for notices on a machine that is a node."""
    assert call(machine, "join").returncode == 0
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    cloud = machine.cloud
    cloud.said["meta-data/autoscaling/target-lifecycle-state"] = "InService"
    cloud.said["meta-data/services/domain"] = "example.org"
    cloud.said[ROLE] = "the-role"
    cloud.said[f"{ROLE}the-role"] = json.dumps(
        {"AccessKeyId": "AKIA1", "SecretAccessKey": "s/e+c", "Token": "t/o+k=="}, indent=2
    )
    env = {
        "PATH": os.environ["PATH"],
        "VDC_ROOT": str(machine.root),
        "VDC_METADATA": cloud.address,
        "VDC_AUTOSCALING": cloud.address,
    }
    shell = SHELLS[getattr(request, "param", "sh")]
    watcher = subprocess.Popen([*shell, NOTICE], env=env, stderr=subprocess.PIPE, text=True)
    yield watcher
    watcher.kill()
    watcher.communicate()


@pytest.mark.long
@pytest.mark.parametrize("watched", SHELLS, indirect=True)
def test_a_machine_that_its_cloud_ends_is_drained_and_let_go(machine, watched):
    state = "meta-data/autoscaling/target-lifecycle-state"
    assert machine.nodes[0].eligible
    machine.cloud.said[state] = "Terminated"
    _, said = watched.communicate(timeout=60)
    assert watched.returncode == 0, said
    assert not machine.nodes[0].eligible
    ((headers, body),) = machine.cloud.posted
    assert "Action=CompleteLifecycleAction" in body
    assert f"AutoScalingGroupName={machine.fleet.prefix}-fleet" in body
    assert f"InstanceId={machine.id}" in body
    assert "LifecycleHookName=ending" in body
    assert headers["X-Amz-Security-Token"] == "t/o+k=="
    assert re.match(
        r"AWS4-HMAC-SHA256 Credential=AKIA1/\d{8}/eu-central-1/autoscaling/aws4_request, "
        r"SignedHeaders=.*x-amz-security-token",
        headers["Authorization"],
    )


@pytest.mark.long
def test_a_spot_notice_drains_the_node_and_tells_nobody(machine, watched):
    machine.cloud.said["meta-data/spot/instance-action"] = SPOT
    wait_for("the drain", lambda: not machine.nodes[0].eligible, 30)
    assert watched.poll() is None
    assert machine.cloud.posted == []


@pytest.mark.long
def test_a_cloud_that_does_not_take_the_word_ends_the_machine_later(machine, watched):
    machine.cloud.said[f"{ROLE}the-role"] = "{}"
    del machine.cloud.said[ROLE]
    machine.cloud.said["meta-data/autoscaling/target-lifecycle-state"] = "Terminated"
    _, said = watched.communicate(timeout=60)
    assert watched.returncode == 0
    assert "it ends the machine later" in said
    assert not machine.nodes[0].eligible


def test_a_name_stands_in_the_configuration_until_there_is_one(machine):
    assert json.loads(machine.config.read_text())["name"] == NAMELESS
