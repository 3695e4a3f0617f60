"""Software for a service that cannot fetch it: what a client brings, and what it cannot bring."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nomad_lab import NomadLab, nomad_lab
from pool_lab import PoolLab, pool_lab
from vdc.client import PoolClient
from vdc.client import software as client_software
from vdc.client.software import supply
from vdc.errors import PoolError

pytestmark = pytest.mark.real

CARRIED = Path(__file__).parent / "carried" / "tooled"
# Of a name that no index has.
NAME, WHEEL = "vdc-own-test-tool", "vdc_own_test_tool-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the user's pip finds, and the service's does not."""
    folder = tmp_path_factory.mktemp("index")
    info = f"{WHEEL.removesuffix('-py3-none-any.whl')}.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tool/well.json", '{"well": true}')
        wheel.writestr("tool/big.bin", "x" * 3_000_000)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    with nomad_lab(tmp_path_factory.mktemp("supply") / "lab", clients=1) as lab:
        yield lab


@pytest.fixture(scope="module")
def pool(lab: NomadLab, index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    """A service with a package whose software it cannot fetch."""
    package = tmp_path_factory.mktemp("library") / "tooled"
    shutil.copytree(CARRIED, package)
    manifest = package / "package.yaml"
    sha256 = hashlib.sha256((index / WHEEL).read_bytes()).hexdigest()
    text = manifest.read_text().replace("tool==1.0", f"{NAME}==1.0").replace("a" * 64, sha256)
    one, all_of_it = "tool/well.json\n        to: well.json", "from: tool\n        to: tool"
    manifest.write_text(text.replace(all_of_it, f"from: {one}"))
    with pool_lab(lab, tmp_path_factory.mktemp("service"), [package]) as pool:
        yield pool


@pytest.fixture
def client(
    pool: PoolLab, lab: NomadLab, index: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PoolClient]:
    """An operator with an index of their own; the service has no software yet."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    shutil.rmtree(lab.folder / "packages", ignore_errors=True)
    with pool.client() as client:
        yield client


def nothing(*_: object) -> None:
    """Told how far it is."""


def test_an_app_whose_software_the_service_cannot_fetch_is_well_once_that_was_brought(client):
    with pytest.raises(PoolError, match="could not be fetched"):
        client.install("tooled", "web")
    (missing,) = client.software("tooled")
    assert not missing.there
    said = []
    (there,) = supply(client, "tooled", lambda what, *_: said.append(what))
    assert there.there
    assert there.received == 0
    assert list(dict.fromkeys(said)) == [
        "fetching tool 1.0", "sending tool 1.0", "unpacking tool 1.0 at the service"
    ]  # fmt: skip
    assert client.install("tooled", "web").status == "healthy"
    client.stop("web", purge=True)


def test_what_is_there_is_not_brought_again(client):
    supply(client, "tooled", nothing)
    said = []
    supply(client, "tooled", lambda *what: said.append(what))
    assert said == []


def test_a_transfer_that_was_cut_off_goes_on(client, index, monkeypatch):
    archive = (index / WHEEL).read_bytes()
    (wanted,) = client.software("tooled")
    part = client.send_software("tooled", wanted.sha256, 0, archive[:1_000_000])
    assert part.received == 1_000_000
    monkeypatch.setattr(client_software, "_PART", 500_000)
    sent = []
    supply(client, "tooled", lambda what, done, _: "sending" in what and sent.append(done))
    assert sent[0] == 1_500_000
    assert client.software("tooled")[0].there


def test_a_part_again_is_no_harm_and_a_gap_is_refused(client, index):
    archive = (index / WHEEL).read_bytes()
    (wanted,) = client.software("tooled")
    for _ in range(2):
        part = client.send_software("tooled", wanted.sha256, 0, archive[:1000])
        assert part.received == 1000
    with pytest.raises(PoolError, match="1000 bytes have come"):
        client.send_software("tooled", wanted.sha256, 2000, archive[2000:])


def test_nothing_else_can_be_brought(client, lab):
    (wanted,) = client.software("tooled")
    client.send_software("tooled", wanted.sha256, 0, b"something else")
    with pytest.raises(PoolError, match="what came has the SHA-256"):
        client.unpack_software("tooled", wanted.sha256)
    assert client.software("tooled") == [wanted]
    with pytest.raises(PoolError, match="has no software of this SHA-256") as refused:
        client.send_software("tooled", "0" * 64, 0, b"x")
    assert refused.value.status == 404
    assert [
        path for path in lab.folder.glob("packages/.received/*") if path.suffix != ".lock"
    ] == []


def test_who_may_run_nothing_brings_nothing(pool, client):
    (wanted,) = client.software("tooled")
    with (
        pool.client(pool.viewer) as viewer,
        pytest.raises(PoolError, match="does not permit this") as refused,
    ):
        viewer.send_software("tooled", wanted.sha256, 0, b"x")
    assert refused.value.status == 403
