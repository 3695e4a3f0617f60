"""Work on machines of their own: as the work user, with the software that it needs."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from machine_lab import UID, Machine, machines
from nomad_lab import NomadLab, nomad_lab, wait_for
from pool_lab import PoolLab, pool_lab
from vdc.client import PoolClient
from vdc.client.models import RunRequest
from vdc.errors import PoolError
from vdc.library.packing import archive_file

pytestmark = pytest.mark.real

PACKAGES = Path(__file__).parent / "carried"
FOLDER = "tool/1.0"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """A scheduler with one node on the service's own machine, and its unpacked software."""
    with nomad_lab(tmp_path_factory.mktemp("machines") / "lab", clients=1) as lab:
        folder = lab.folder / "packages" / FOLDER
        (folder / "lib").mkdir(parents=True)
        (folder / ".vdc-artifact.json").write_text(json.dumps({"sha256": "a" * 64}))
        (folder / "well.json").write_text('{"well": true}')
        (folder / "lib/big.bin").write_bytes(bytes(1_000_000))
        yield lab


@pytest.fixture(scope="module")
def there(lab: NomadLab) -> Iterator[list[Machine]]:
    """Two machines."""
    with machines(lab, "machine-0", "machine-1") as there:
        yield there


@pytest.fixture(scope="module")
def pool(lab: NomadLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    """A pool service over all of it."""
    with pool_lab(lab, tmp_path_factory.mktemp("service"), [PACKAGES]) as pool:
        yield pool


@pytest.fixture
def client(pool: PoolLab, there: list[Machine]) -> Iterator[PoolClient]:
    """The operator's client; what a test installs is gone after it, the software too."""
    assert there
    with pool.client() as client:
        yield client
        for app in client.apps():
            client.stop(app.name, purge=True)
        wait_for("every app's end", lambda: client.pool().allocated.cpu_mhz == 0)


def nodes_of(lab: NomadLab, job: str) -> set[str]:
    """Where a job's instances run."""
    allocations = lab.call("GET", f"/v1/job/{job}/allocations")
    assert isinstance(allocations, list)
    return {a["NodeName"] for a in allocations if a["ClientStatus"] == "running"}


def left(machine: Machine) -> list[str]:
    """What lies in a machine's packages folder, locks apart."""
    found = (p.relative_to(machine.packages) for p in machine.packages.rglob("*") if p.is_file())
    return sorted(str(path) for path in found if path.suffix != ".lock")


def test_software_is_on_every_machine_before_an_app_starts(client, lab, there, pool):
    said = []
    app = client.install("tooled", "web", {"count": 2}, on_progress=lambda a: said.append(a))
    assert app.status == "healthy"
    assert nodes_of(lab, "web") == {"machine-0", "machine-1"}
    for machine in there:
        assert left(machine) == [
            f"{FOLDER}/.vdc-artifact.json",
            f"{FOLDER}/lib/big.bin",
            f"{FOLDER}/well.json",
        ]
        assert (machine.packages / FOLDER).stat().st_uid == UID
    counted = [a.progress for a in said if a.progress and a.progress.unit == "nodes"]
    assert counted[-1].total == 2
    assert "unpacking tool 1.0 on the nodes" in {progress.what for progress in counted}
    assert client.app("web").groups[0].tasks == ("main",)
    for endpoint in client.app("web").endpoints:
        assert httpx.get(endpoint.url + "well.json").json() == {"well": True}
    wait_for("what it writes", lambda: b"GET" in b"".join(client.logs("web", stream="stderr")))

    # A second app finds everything there, the second time around nothing is unpacked.
    before = [(m.packages / FOLDER).stat().st_ino for m in there]
    assert client.install("tooled", "other").status == "healthy"
    assert [(m.packages / FOLDER).stat().st_ino for m in there] == before

    run = client.submit("web", program=b"-")
    ended = client.wait_run(run.id)
    output = b"".join(client.run_logs(run.id)).decode()
    assert (ended.exit_code, output) == (3, "vdc-work\nlib\nwell.json\n")

    client.stop("other", purge=True)
    assert all(left(machine) for machine in there)
    client.stop("web", purge=True)
    wait_for("nothing left on the machines", lambda: not any(left(m) for m in there))
    archives = pool.lab.folder / "packages/.archives"
    wait_for("no archive left", lambda: not list(archives.glob("*.tar.gz")))
    remembered = {"prefix": "vdc/software/"}
    wait_for("nothing remembered", lambda: not lab.call("GET", "/v1/vars", params=remembered))
    assert (lab.folder / "packages" / FOLDER / "well.json").exists()


def test_a_package_without_software_needs_none(client, lab):
    app = client.install("hello", "hello", {"count": 2})
    assert app.status == "healthy"
    assert nodes_of(lab, "hello") == {"machine-0", "machine-1"}
    answers = [httpx.get(endpoint.url).json() for endpoint in client.app("hello").endpoints]
    assert {answer["node"] for answer in answers} == {"machine-0", "machine-1"}
    assert client.scale("hello", 1).status == "healthy"


@pytest.mark.long
def test_a_machine_that_comes_later_gets_the_software_before_its_first_task(client, lab):
    client.install("tooled", "web")
    with machines(lab, "late") as (late,):
        assert left(late) == []
        assert client.scale("web", 3).status == "healthy"
        assert "late" in nodes_of(lab, "web")
        assert f"{FOLDER}/well.json" in left(late)
        client.stop("web", purge=True)
    lab.call("PUT", "/v1/system/gc")


@pytest.mark.long
def test_a_full_disk_is_told_with_the_node_s_name(client, there):
    packages = there[1].packages
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "full", packages], check=True)
    there[1].down_agent()
    there[1].start()
    try:
        wait_for("ready again", lambda: client.pool().nodes.ready == 3)
        with pytest.raises(PoolError) as caught:
            client.install("tooled", "web")
    finally:
        there[1].down_agent()
        subprocess.run(["umount", packages], check=True)
        there[1].start()
    assert str(caught.value).endswith(
        "tool 1.0 is not on every node; machine-1: its disk has not enough room; free some"
    )
    wait_for("ready again", lambda: client.pool().nodes.ready == 3)
    assert client.install("tooled", "web").status == "healthy"


@pytest.mark.long
def test_what_was_changed_on_the_way_is_not_used(client, lab, there):
    client.install("tooled", "web", {"count": 2})
    (archive,) = (lab.folder / "packages/.archives").glob("*.tar.gz")
    content = bytearray(archive.read_bytes())
    content[-1] ^= 1
    archive.write_bytes(content)
    for machine in there:
        subprocess.run(["rm", "-r", machine.packages / "tool"], check=True)
    run = client.wait_run(client.submit("web", program=b"-").id)
    assert re.match(r"its software is not on machine-\d: what it fetched has a wrong", run.reason)
    assert [left(machine) for machine in there] == [[], []]
    # The next installation notices.
    assert client.install("tooled", "other").status == "healthy"


def test_archives_are_served_by_their_sum_alone(client, pool, lab):
    client.install("tooled", "web")
    (archive,) = (lab.folder / "packages/.archives").glob("*.tar.gz")
    sha256 = archive.name.removesuffix(".tar.gz")
    assert archive == archive_file(lab.folder / "packages", sha256)
    trusted = ssl.create_default_context(cafile=pool.folder / "tls/ca.pem")
    with httpx.Client(base_url=pool.address, verify=trusted) as http:
        assert http.get(f"/join/v1/artifacts/{sha256}").content == archive.read_bytes()
        for other in ("0" * 64, sha256.upper(), "tool-1.0", "..%2ftool-1.0.json"):
            refused = http.get(f"/join/v1/artifacts/{other}")
            assert refused.status_code == 404
            assert "tool" not in refused.text


def test_commands_run_as_the_work_user_and_root_is_refused(client, lab):
    run = client.run(RunRequest(command=("/usr/bin/id", "-un")))
    assert client.wait_run(run.id).state == "complete"
    assert b"".join(client.run_logs(run.id)) == b"vdc-work\n"
    task = {"Name": "t", "Driver": "raw_exec", "Config": {"command": "/usr/bin/id"}}
    constraint = {"LTarget": "${meta.work_user}", "Operand": "is_set"}
    group = {"Name": "g", "RestartPolicy": {"Attempts": 0, "Mode": "fail"}, "Tasks": [task]}
    job = {
        "ID": "mine",
        "Type": "batch",
        "Datacenters": ["*"],
        "Constraints": [constraint],
        "TaskGroups": [group],
    }
    lab.call("POST", "/v1/jobs", body={"Job": job})

    def refused() -> list[str]:
        allocations = lab.call("GET", "/v1/job/mine/allocations")
        assert isinstance(allocations, list)
        states = [a["TaskStates"]["t"] for a in allocations if a["TaskStates"]]
        events = [event for state in states for event in state["Events"] or []]
        return [e["DisplayMessage"] for e in events if "disallowed" in e["DisplayMessage"]]

    try:
        assert "running as uid 0 is disallowed" in wait_for("a refusal", refused)[0]
    finally:
        lab.call("DELETE", "/v1/job/mine", params={"purge": "true"})


def test_a_run_for_the_service_s_own_machine_has_no_user_of_its_own(client, lab):
    request = RunRequest(command=("/usr/bin/id", "-u"), labels={"tier": "general"})
    nodes = lab.call("GET", "/v1/nodes")
    assert isinstance(nodes, list)
    for node in nodes:
        if node["Name"].startswith("machine"):
            lab.call("POST", f"/v1/node/{node['ID']}/eligibility",
                     body={"Eligibility": "ineligible"})  # fmt: skip
    try:
        run = client.run(request)
        assert client.wait_run(run.id).node == "node-0"
        assert b"".join(client.run_logs(run.id)) == b"0\n"
    finally:
        for node in nodes:
            lab.call("POST", f"/v1/node/{node['ID']}/eligibility", body={"Eligibility": "eligible"})
