"""Archives that come in parts: held to their sum, whatever comes in what order."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from vdc.errors import PackageError
from vdc.library.artifacts import there
from vdc.library.parts import Artifact, Copy
from vdc.library.receiving import receive, received, unpack_received


@pytest.fixture(scope="module")
def archive() -> bytes:
    """A source distribution with one file."""
    content = b"VALUE = 1\n" * 1000
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        entry = tarfile.TarInfo("tool-1.0/tool/module.py")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


@pytest.fixture(scope="module")
def artifact(archive: bytes) -> Artifact:
    sha256 = hashlib.sha256(archive).hexdigest()
    return Artifact("tool", "1.0", "tool==1.0", sha256, 0, (Copy("tool", "lib"),), ())


def left(packages: Path) -> list[str]:
    return [path.name for path in packages.glob(".received/*") if path.suffix != ".lock"]


def test_parts_become_the_unpacked_software(artifact, archive, tmp_path):
    assert received(artifact, tmp_path) == 0
    assert receive(artifact, tmp_path, 0, archive[:4000]) == 4000
    assert receive(artifact, tmp_path, 3000, archive[3000:7000]) == 7000  # some of it again
    assert receive(artifact, tmp_path, 7000, archive[7000:]) == len(archive)
    assert not there(artifact, tmp_path)
    unpack_received(artifact, tmp_path)
    assert there(artifact, tmp_path)
    assert (tmp_path / "tool/1.0/lib/module.py").read_text().startswith("VALUE")
    assert left(tmp_path) == []


def test_a_gap_is_refused(artifact, archive, tmp_path):
    receive(artifact, tmp_path, 0, archive[:10])
    with pytest.raises(PackageError, match="10 bytes have come, and this is at 20"):
        receive(artifact, tmp_path, 20, archive[20:])
    assert received(artifact, tmp_path) == 10


def test_another_archive_is_thrown_away(artifact, archive, tmp_path):
    receive(artifact, tmp_path, 0, archive[:-1] + b"x")
    with pytest.raises(PackageError, match="what came has the SHA-256"):
        unpack_received(artifact, tmp_path)
    assert received(artifact, tmp_path) == 0
    assert left(tmp_path) == []
    assert not there(artifact, tmp_path)


def test_unpacking_twice_is_no_harm(artifact, archive, tmp_path):
    receive(artifact, tmp_path, 0, archive)
    unpack_received(artifact, tmp_path)
    unpack_received(artifact, tmp_path)
    assert there(artifact, tmp_path)
