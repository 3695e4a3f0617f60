"""A machine becomes a node: the real client in sh, the real service, a real scheduler and agent."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from join_lab import Machine, admitted, audit, revoked
from nomad_lab import NomadLab, nomad_lab, wait_for
from pool_lab import PoolLab, pool_lab
from vdc.pool.joining.petition import serial_text
from vdc.provider import pki, processes
from vdc.provider.admission import Admissions
from vdc.provider.slots import HOST
from vdc.scheduler.client import Nomad

pytestmark = pytest.mark.real

SHELLS = {"sh": ("/bin/sh",), "dash": ("dash",), "busybox": ("busybox", "sh"), "bash": ("bash",)}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """A scheduler without a node."""
    with nomad_lab(tmp_path_factory.mktemp("joining") / "lab", clients=0) as lab:
        yield lab


@pytest.fixture(scope="module")
def pool(lab: NomadLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    """The service that nodes ask."""
    with pool_lab(lab, tmp_path_factory.mktemp("service")) as pool:
        yield pool
        assert "PRIVATE" not in pool.log.read_text() + (pool.folder / "audit.jsonl").read_text()


@pytest.fixture
def machine(pool: PoolLab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine with a name of its own, admitted, that holds its secret."""
    digest = hashlib.sha256(request.node.name.encode()).hexdigest()
    machine = Machine(pool, f"node-{digest[:12]}", tmp_path / "root")
    machine.choose_ports()
    machine.prepare(admitted(pool, machine.name))
    yield machine
    machine.remove()


def certificate(machine: Machine) -> x509.Certificate:
    return x509.load_pem_x509_certificates(machine.tls.cert.read_bytes())[0]


def served(machine: Machine) -> bytes:
    """The certificate that the machine's agent shows now."""
    assert machine.slot
    context = ssl.create_default_context(cafile=str(machine.tls.ca))
    context.load_cert_chain(machine.tls.cert, machine.tls.key)
    with (
        socket.create_connection((HOST, machine.slot.ports.http)) as plain,
        context.wrap_socket(plain, server_hostname="client.global.nomad") as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
        assert shown
        return shown


def refused(machine: Machine, *words: str) -> str:
    """The one line that a refused client says."""
    done = machine.run(*(words or ("join",)))
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    return line


# --- joining ---------------------------------------------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_a_machine_joins_and_its_agent_registers(machine, pool, shell):
    if shutil.which(SHELLS[shell][0]) is None:
        pytest.skip(f"there is no {shell} on this machine")
    machine.shell = SHELLS[shell]
    machine.join()
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    (line,) = audit(pool, machine.name)
    assert line == {
        "event": "joined",
        "node": machine.name,
        "source": HOST,
        "serial": serial_text(certificate(machine)),
    }


def test_the_key_never_leaves_its_folder(machine, pool):
    machine.join()
    key = machine.tls.key.read_text()
    assert machine.tls.key.stat().st_mode & 0o777 == 0o600
    assert machine.tls.key.parent.stat().st_mode & 0o777 == 0o700
    assert machine.introduction.stat().st_mode & 0o777 == 0o600
    inner = key.splitlines()[1]
    for folder in (machine.root, pool.folder):
        for file in folder.rglob("*"):
            if file.is_file() and file != machine.tls.key:
                assert inner not in file.read_text(errors="replace"), file
    machine.run("renew", "--now")
    assert machine.tls.key.read_text() == key


def test_what_is_done_is_not_done_again(machine, pool):
    machine.join()
    before = machine.tls.cert.read_text()
    machine.join()
    assert machine.tls.cert.read_text() == before
    assert not machine.secret_file.exists()
    assert len(audit(pool, machine.name)) == 1
    assert list((machine.root / "run/vdc").iterdir()) == []


def test_a_client_that_was_killed_before_it_removed_the_secret_is_done(machine, pool):
    secret = machine.secret_file.read_text()
    machine.join()
    processes.write_private(machine.secret_file, secret)
    earlier = machine.tls.cert.stat().st_mtime - 60
    os.utime(machine.secret_file, (earlier, earlier))
    machine.join()
    assert not machine.secret_file.exists()
    assert len(audit(pool, machine.name)) == 1


def test_a_machine_asks_every_endpoint(machine, pool):
    secret = machine.secret_file.read_text().strip()
    machine.prepare(secret, f"https://{HOST}:1 {pool.address}")
    done = machine.run("join")
    assert done.returncode == 0
    assert f"https://{HOST}:1: " in done.stderr


def test_a_machine_waits_until_the_service_answers(machine, pool):
    pool.stop()
    with ThreadPoolExecutor() as threads:
        joining = threads.submit(machine.run, "join")
        wait_for("a first attempt", lambda: machine.tls.key.exists(), 30)
        pool.start()
        done = joining.result()
    assert done.returncode == 0, done.stderr


def test_a_machine_waits_no_longer_than_it_was_told(machine):
    machine.prepare("", f"https://{HOST}:1")
    done = machine.run("join", "--for", "1")
    assert done.returncode == 75
    assert done.stderr.splitlines()[-1] == "vdc-node: no answer within 1 s"


def test_an_endpoint_of_another_data_centre_is_not_believed(machine):
    other = pki.new_authority("other").cert
    (machine.root / "etc/vdc/ca.pem").write_text(other)
    done = machine.run("join", "--for", "1")
    assert done.returncode == 75
    assert "certificate" in done.stderr
    assert machine.secret_file.exists()


# --- refusals --------------------------------------------------------------------


def test_a_revoked_machine_is_refused(machine, pool):
    revoked(pool, machine.name)
    assert "the node's admission was revoked" in refused(machine)
    assert [line["reason"] for line in audit(pool, machine.name)] == ["revoked"]


def test_a_replayed_secret_is_refused(machine, pool, tmp_path):
    thief = Machine(pool, machine.name, tmp_path / "thief")
    thief.prepare(machine.secret_file.read_text().strip())
    machine.join()
    assert "the secret has been used already" in refused(thief)
    assert [line.get("reason") for line in audit(pool, machine.name)] == [None, "replayed"]
    assert not thief.tls.cert.exists()


def test_of_two_machines_with_one_secret_one_joins(machine, pool, tmp_path):
    secret = machine.secret_file.read_text().strip()
    both = [Machine(pool, machine.name, tmp_path / str(number)) for number in range(2)]
    for one in both:
        one.prepare(secret)
    with ThreadPoolExecutor() as threads:
        codes = [done.returncode for done in threads.map(lambda one: one.run("join"), both)]
    assert sorted(codes) == [0, 1]
    assert sorted(line["event"] for line in audit(pool, machine.name)) == ["joined", "refused"]


def test_the_secret_of_another_name_is_refused(machine, pool):
    machine.prepare(admitted(pool, "node-other"))
    assert "this name is not admitted with this secret" in refused(machine)
    assert [line["reason"] for line in audit(pool, machine.name)] == ["foreign"]


def test_an_undeclared_name_is_refused(machine, pool):
    machine.name = "node-undeclared"
    machine.prepare("a-secret")
    assert "this name is not admitted with this secret" in refused(machine)
    assert [line["reason"] for line in audit(pool, machine.name)] == ["undeclared"]


@pytest.mark.long
def test_the_name_of_a_live_node_is_refused_while_it_lives(machine, pool, tmp_path):
    machine.join()
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    double = Machine(pool, machine.name, tmp_path / "double")
    double.prepare(admitted(pool, machine.name))
    done = double.run("join", "--for", "1")
    assert done.returncode == 75
    assert "a live node has this name" in done.stderr
    assert {line["reason"] for line in audit(pool, machine.name)[1:]} == {"live"}
    # A machine that was made anew waits until the scheduler has seen that its old self is gone.
    machine.stop()
    assert double.run("join").returncode == 0


def test_a_request_for_other_names_gets_none_of_them(machine, tmp_path):
    key, request, config = (tmp_path / name for name in ("key", "csr", "config"))
    config.write_text(
        "[req]\nprompt=no\ndistinguished_name=d\nreq_extensions=e\n[d]\nCN=server.global.nomad\n"
        "[e]\nbasicConstraints=critical,CA:TRUE\n"
        "subjectAltName=DNS:server.global.nomad,IP:127.0.0.1\nextendedKeyUsage=codeSigning\n"
    )
    make = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-config", config, "-keyout", key, "-out", request]  # fmt: skip
    subprocess.run(make, check=True, capture_output=True)
    form = {"secret": machine.secret_file.read_text(), "csr": request.read_text()}
    trust = ssl.create_default_context(cafile=str(machine.tls.ca))
    address = f"{machine.pool.address}/join/v1/nodes/{machine.name}"
    answer = httpx.post(address, data=form, verify=trust, trust_env=False)
    assert answer.status_code == 200
    cert, _ = x509.load_pem_x509_certificates(answer.content.partition(b"-----BEGIN VDC")[0])
    assert cert.subject.rfc4514_string() == f"CN={machine.name}"
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["client.global.nomad", f"{machine.name}.node.vdc"]
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {use._name for use in usage} == {"clientAuth", "serverAuth"}


def test_a_server_that_the_nodes_issuer_has_forged_is_not_believed(machine, pool, tmp_path):
    """What Go's TLS, which is the agent's, says to a name outside the issuer's constraints."""
    issuer = pki.Pair(*((pool.folder / f"join-{part}.pem").read_text() for part in ("cert", "key")))
    forged = pki.issue(issuer, "server.global.nomad", ["server.global.nomad"], server=True)
    (tmp_path / "chain").write_text(forged.cert + issuer.cert)
    (tmp_path / "key").write_text(forged.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain", tmp_path / "key")
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                    plain.recv(1)  # the agent says first that it wants TLS
                    context.wrap_socket(plain, server_side=True)
                except OSError:  # as the agent's refusal is, and the end of the test
                    if listener.fileno() < 0:
                        return

        threading.Thread(target=answer, daemon=True).start()
        machine.join()
        machine.start(servers=(f"{HOST}:{listener.getsockname()[1]}",))
        said = "a root or intermediate certificate is not authorized to sign for this name"
        wait_for("the agent's refusal", lambda: said in machine.log.read_text(), 60)


def test_who_is_refused_too_often_must_wait(lab, tmp_path_factory):
    with pool_lab(lab, tmp_path_factory.mktemp("limited")) as pool:
        trust = ssl.create_default_context(cafile=str(pool.folder / "tls/ca.pem"))
        address = f"{pool.address}/join/v1/nodes/nobody"
        with httpx.Client(verify=trust, trust_env=False) as http:
            answers = [http.post(address, data={"secret": "x", "csr": "y"}) for _ in range(25)]
        codes = [answer.status_code for answer in answers]
        assert codes == [400] * 20 + [429] * 5
        assert answers[-1].headers["Retry-After"] == "60"
        assert len(audit(pool, "nobody")) == 20


# --- renewal ---------------------------------------------------------------------


def test_a_renewed_certificate_is_what_the_running_agent_shows(machine, pool):
    machine.join()
    agent = machine.start()
    pid = machine.root / "run/vdc/agent.pid"
    processes.write_private(pid, f"{agent.pid}\n")
    wait_for("the node", lambda: machine.ready, 60)
    first = served(machine)
    done = machine.run("renew", "--now")
    assert done.returncode == 0, done.stderr
    new = certificate(machine).public_bytes(Encoding.DER)
    assert new != first
    wait_for("the agent's new certificate", lambda: _shows(machine, new), 20)
    assert agent.is_running()
    assert [line["event"] for line in audit(pool, machine.name)] == ["joined", "renewed"]
    assert "introduced" not in audit(pool, machine.name)[-1]
    assert not machine.introduction.exists()


def _shows(machine: Machine, wanted: bytes) -> bool:
    try:
        return served(machine) == wanted
    except OSError:
        return False  # its listener is exchanged, too


@pytest.mark.parametrize(("days", "renewed"), [(19, False), (21, True)])
def test_a_certificate_is_renewed_after_two_thirds_of_its_life(machine, pool, days, renewed):
    machine.join()
    backdate(machine, days)
    before = certificate(machine).serial_number
    done = machine.run("renew")
    assert done.returncode == 0, done.stderr
    assert (certificate(machine).serial_number != before) is renewed
    events = [line["event"] for line in audit(pool, machine.name)]
    assert events == ["joined"] + ["renewed"] * renewed


def backdate(machine: Machine, days: int) -> None:
    """Gives the machine the certificate that it would have if it had joined so long ago."""
    pool = machine.pool
    parts = ((pool.folder / f"join-{part}.pem").read_text() for part in ("cert", "key"))
    issuer = pki.Pair(*parts)
    key = load_pem_private_key(machine.tls.key.read_bytes(), None).public_key()
    then = datetime.now(UTC) - timedelta(days=days)
    cert = pki.certify_node(pki.Signer.of(issuer), key, machine.name, then)
    machine.tls.cert.write_text(cert.public_bytes(Encoding.PEM).decode() + issuer.cert)

    async def record() -> None:
        async with Nomad(pool.lab.access()) as nomad:
            admissions = Admissions(nomad)
            found, index = await admissions.get(machine.name)
            assert found
            await admissions.put(machine.name, replace(found, serial=serial_text(cert)), index)

    asyncio.run(record())


def test_a_revoked_node_gets_no_further_certificate(machine, pool):
    machine.join()
    revoked(pool, machine.name)
    assert "the node's admission was revoked" in refused(machine, "renew", "--now")
    assert [line.get("reason") for line in audit(pool, machine.name)] == [None, "revoked"]


@pytest.mark.long
def test_a_node_that_was_purged_after_its_certificate_had_ended_rejoins(machine, pool):
    machine.join()
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    machine.stop()
    machine.purge()
    backdate(machine, 45)
    done = machine.run("renew", "--starting")
    assert done.returncode == 0, done.stderr
    assert certificate(machine).not_valid_after_utc > datetime.now(UTC) + timedelta(days=29)
    assert audit(pool, machine.name)[-1]["introduced"] == "again"
    machine.start()
    wait_for("the node again", lambda: machine.ready, 60)


@pytest.mark.long
def test_a_node_whose_identity_has_ended_is_introduced_again(machine, pool):
    """As after days without the scheduler: it has forgotten the node, and knows no identity."""
    machine.join()
    machine.supervise()
    wait_for("the node", lambda: machine.ready, 60)
    (before,) = machine.nodes
    pool.lab.end_identities()
    machine.purge()
    done = machine.run("renew")
    assert done.returncode == 0, done.stderr
    assert "the scheduler has forgotten" in done.stderr
    (after,) = machine.nodes
    assert (after.id, after.status) == (before.id, "ready")
    assert not machine.introduction.exists()


# --- shutdown --------------------------------------------------------------------


def test_a_drained_node_takes_work_again_after_the_machine_is_back(machine):
    machine.join()
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    assert machine.run("resume").returncode == 0
    assert machine.nodes[0].eligible
    assert machine.run("drain").returncode == 0
    assert not machine.nodes[0].eligible
    assert not machine.nodes[0].drained_by_us
    assert machine.run("resume").returncode == 0
    assert machine.nodes[0].eligible


def test_a_node_that_an_operator_took_out_of_work_stays_out_of_it(machine, pool):
    machine.join()
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    body = {"Eligibility": "ineligible"}
    pool.lab.call("POST", f"/v1/node/{machine.nodes[0].id}/eligibility", body=body)
    assert machine.run("drain").returncode == 0
    assert machine.run("resume").returncode == 0
    assert not machine.nodes[0].eligible


# --- the software ----------------------------------------------------------------


def test_software_is_served_by_its_sum_and_by_nothing_else(pool):
    content = b"a bundle"
    sha256 = hashlib.sha256(content).hexdigest()
    folder = pool.folder / "bundles/amd64-1"
    folder.mkdir(parents=True)
    (folder / "vdc-node-amd64.tar.gz").write_bytes(content)
    (folder / "sha256").write_text(f"{sha256}\n")
    trust = ssl.create_default_context(cafile=str(pool.folder / "tls/ca.pem"))
    with httpx.Client(verify=trust, trust_env=False, base_url=pool.address) as http:
        assert http.get(f"/join/v1/bundles/{sha256}").content == content
        for other in ("0" * 64, sha256.upper(), "..%2f..%2ftoken", "amd64-1", "sha256", ""):
            answer = http.get(f"/join/v1/bundles/{other}")
            assert (answer.status_code, b"bundle" in answer.content) == (404, False)
