"""Archives of unpacked software: the same files give the same bytes, and no half ones."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from vdc.library.packing import archive_file, discard, pack
from vdc.library.parts import Artifact

TOOL = Artifact("tool", "1.0", "tool==1.0", "a" * 64, 0, (), ())


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A packages folder with one unpacked artifact."""
    folder = tmp_path / "packages" / TOOL.folder
    (folder / "bin").mkdir(parents=True)
    (folder / ".vdc-artifact.json").write_text("{}\n")
    (folder / "bin/run").write_text("#!/bin/sh\n")
    (folder / "bin/run").chmod(0o755)
    (folder / "lib" / ("deep" * 30)).mkdir(parents=True)
    (folder / "lib" / ("deep" * 30) / "big.bin").write_bytes(bytes(300_000))
    return tmp_path / "packages"


def test_it_holds_every_file_and_no_trace_of_who_packed_it(packages):
    archive = pack(TOOL, packages)
    content = archive_file(packages, archive.sha256).read_bytes()
    assert hashlib.sha256(content).hexdigest() == archive.sha256
    assert len(content) == archive.size
    assert archive.unpacked == 3 + 10 + 300_000
    with tarfile.open(archive_file(packages, archive.sha256)) as tar:
        members = tar.getmembers()
    assert [m.name for m in members] == [
        ".vdc-artifact.json",
        "bin/run",
        f"lib/{'deep' * 30}/big.bin",
    ]
    assert [oct(m.mode) for m in members] == ["0o644", "0o755", "0o644"]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 0)}


def test_the_same_files_elsewhere_and_later_give_the_same_bytes(packages, tmp_path):
    other = tmp_path / "elsewhere"
    shutil.copytree(packages, other)
    for file in other.rglob("*"):
        os.utime(file, (1, 1))
    assert pack(TOOL, packages) == pack(TOOL, other)


def test_it_is_packed_once(packages):
    first = pack(TOOL, packages)
    shutil.rmtree(packages / "tool")
    assert pack(TOOL, packages) == first


@pytest.mark.parametrize("spoilt", [b"", b"x"], ids=["cut", "changed"])
def test_what_a_killed_one_left_goes_and_a_spoilt_archive_is_made_anew(packages, spoilt):
    first = pack(TOOL, packages)
    file = archive_file(packages, first.sha256)
    archives = file.parent
    file.write_bytes(file.read_bytes()[:-1] + spoilt)
    (archives / "tool-1.0.part-old").write_bytes(b"half")
    assert pack(TOOL, packages) == first
    assert sorted(p.name for p in archives.iterdir()) == sorted(
        [f"{first.sha256}.tar.gz", "tool-1.0.json", "tool-1.0.lock"]
    )


def test_discarding_leaves_nothing_and_is_no_error_twice(packages):
    archive = pack(TOOL, packages)
    for _ in range(2):
        discard(packages, TOOL.folder)
    left = [p.name for p in archive_file(packages, archive.sha256).parent.iterdir()]
    assert left == ["tool-1.0.lock"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"tool"):
        pack(TOOL, tmp_path)
