"""Spark on machines of their own: 400 MB that each fetches from the pool service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from machine_lab import UID, Machine, machines
from nomad_lab import NomadLab, nomad_lab
from pool_lab import pool_lab
from vdc.client import PoolClient
from vdc.home import Home

pytestmark = [pytest.mark.real, pytest.mark.long]


@pytest.fixture
def lab(tmp_path) -> Iterator[NomadLab]:
    """A scheduler without nodes, whose service has what this machine has unpacked already."""
    unpacked = Home.of_user().packages / "spark"
    unpacked.mkdir(parents=True, exist_ok=True)
    with nomad_lab(tmp_path / "lab", clients=0) as lab:
        packages = lab.folder / "packages"
        packages.mkdir()
        (packages / "spark").symlink_to(unpacked)
        yield lab
        (packages / "spark").unlink()


@pytest.fixture
def there(lab: NomadLab) -> Iterator[list[Machine]]:
    """Two machines."""
    with machines(lab, "machine-0", "machine-1") as there:
        yield there


@pytest.fixture
def client(lab: NomadLab, there: list[Machine], tmp_path) -> Iterator[PoolClient]:
    """The operator's client."""
    assert there
    with pool_lab(lab, tmp_path / "service") as pool, pool.client() as client:
        yield client
        for app in client.apps():
            client.stop(app.name, purge=True)


def test_spark_computes_pi_as_the_work_user(client, there, lab):
    app = client.install("spark", "pi", {"workers": 2, "memory": 512})
    assert app.status == "healthy"
    for machine in there:
        (version,) = (p for p in (machine.packages / "spark").iterdir() if p.suffix != ".lock")
        assert (version / "bin/spark-class").stat().st_uid == UID
        assert (version / "bin/spark-class").stat().st_mode & 0o111
    allocations = lab.call("GET", "/v1/job/pi/allocations")
    assert isinstance(allocations, list)
    workers = {a["NodeName"] for a in allocations if a["TaskGroup"] == "worker"}
    assert workers == {"machine-0", "machine-1"}
    run = client.submit("pi", example="pi", args=("10",))
    assert b"Pi is roughly 3.1" in b"".join(client.run_logs(run.id, follow=True))
    ended = client.wait_run(run.id)
    assert (ended.state, ended.exit_code) == ("complete", 0)
