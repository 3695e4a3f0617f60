"""Software of nodes, brought to a service that stands where it was not made."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from nomad_lab import NomadLab, nomad_lab
from pool_lab import PoolLab, pool_lab
from vdc.errors import PoolError
from vdc.provider import offering
from vdc.provider.archive import Archive
from vdc.provider.connection import SchedulerInputs
from vdc.provider.machines import MachineInputs
from vdc.provider.offering import offer

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    with nomad_lab(tmp_path_factory.mktemp("bundles") / "lab", clients=0) as lab:
        yield lab


@pytest.fixture(scope="module")
def pool(lab: NomadLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "bundles").mkdir()
    with pool_lab(lab, folder) as pool:
        yield pool


def archive(folder: Path, content: bytes) -> Archive:
    file = folder / "vdc-node-amd64.tar.gz"
    file.write_bytes(content)
    return Archive(file, hashlib.sha256(content).hexdigest())


def group(pool: PoolLab, token: str, *more: str) -> MachineInputs:
    """A group whose machines ask this service, and perhaps others."""
    ca_cert = (pool.folder / "tls/ca.pem").read_text()
    return MachineInputs(
        stack="lab", datacenter="lab", site="north", group="workers", role="client",
        prefix="lab-north-workers", count=1, cpu_mhz=1000, memory_mib=512, disk_mib=512,
        drain_deadline_s=1, ca_cert=ca_cert, cert="", key="", endpoints=(*more, pool.address),
        scheduler=SchedulerInputs(
            addresses=(), rpc=(), ca_cert=ca_cert, cert="", key="", token=token
        ),
    )  # fmt: skip


@pytest.fixture
def http(pool: PoolLab) -> Iterator[httpx.Client]:
    trust = ssl.create_default_context(cafile=str(pool.folder / "tls/ca.pem"))
    with httpx.Client(verify=trust, trust_env=False, base_url=pool.address) as http:
        yield http


def test_what_the_provisioner_brings_nodes_fetch(pool, http, tmp_path, monkeypatch):
    monkeypatch.setattr(offering, "_PART", 1000)
    bundle = archive(tmp_path, b"a bundle of three parts" * 100)
    assert http.get(f"/join/v1/bundles/{bundle.sha256}").status_code == 404
    told = group(pool, pool.lab.token("vdc-provisioner"), "https://127.0.0.1:1")

    async def two_groups() -> None:
        await asyncio.gather(offer(bundle, told), offer(bundle, told))

    asyncio.run(two_groups())
    got = http.get(f"/join/v1/bundles/{bundle.sha256}")
    assert got.content == bundle.path.read_bytes()
    bundle.path.unlink()  # what is there is not sent again
    archive(tmp_path, b"")
    asyncio.run(offer(bundle, told))
    assert sorted(file.name for file in (pool.folder / "bundles").iterdir()) == [
        f"brought-{bundle.sha256[:16]}"
    ]


def test_what_has_another_sum_is_never_served(pool, http, tmp_path):
    bundle = archive(tmp_path, b"something else")
    promised = hashlib.sha256(b"what was promised").hexdigest()
    told = group(pool, pool.operator)
    with pytest.raises(PoolError, match=r"409: .*has the SHA-256"):
        asyncio.run(offer(Archive(bundle.path, promised), told))
    assert http.get(f"/join/v1/bundles/{promised}").status_code == 404


def test_who_may_only_look_brings_nothing(pool, http, tmp_path):
    bundle = archive(tmp_path, b"a viewer's")
    with pytest.raises(PoolError, match="says 403"):
        asyncio.run(offer(bundle, group(pool, pool.viewer)))
    with pytest.raises(PoolError, match="says 401"):
        asyncio.run(offer(bundle, group(pool, "no token")))
    assert http.get(f"/join/v1/bundles/{bundle.sha256}").status_code == 404


def test_where_no_service_answers_it_is_said(pool, tmp_path):
    told = group(pool, pool.operator).model_copy(update={"endpoints": ("https://127.0.0.1:1",)})
    with pytest.raises(PoolError, match=r"no pool service has the software of group workers: http"):
        asyncio.run(offer(archive(tmp_path, b"x"), told))
