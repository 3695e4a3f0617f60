"""Artifacts: there as a whole or not at all, whatever happens in between."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vdc.errors import PackageError
from vdc.library.artifacts import Progress, ensure
from vdc.library.parts import Artifact, Copy
from vdc.library.unpack import unpack

WHEEL = "tool-1.0-py3-none-any.whl"
FILES = {
    "tool/__init__.py": "VALUE = 1\n",
    "tool/data/big.bin": "x" * 100_000,
    "tool/data/skipped.cmd": "no\n",
    "other/file.txt": "not wanted\n",
    "tool-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tool\nVersion: 1.0\n",
    "tool-1.0.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
    "tool-1.0.dist-info/RECORD": "",
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one wheel, which is all that pip can see."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(name, text)
        script = zipfile.ZipInfo("tool/bin/run")
        script.external_attr = 0o755 << 16
        wheel.writestr(script, "#!/bin/sh\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def artifact(index: Path) -> Artifact:
    """The wheel as an artifact."""
    return Artifact(
        name="tool",
        version="1.0",
        pypi="tool==1.0",
        sha256=hashlib.sha256((index / WHEEL).read_bytes()).hexdigest(),
        size=(index / WHEEL).stat().st_size,
        copies=(Copy("tool", "lib/tool"), Copy("tool/bin", "bin")),
        skip=("*.cmd",),
    )


def left_in(packages: Path) -> list[str]:
    """Everything beside the finished folder and its lock."""
    return sorted(p.name for p in (packages / "tool").iterdir() if p.name != ".1.0.lock")


def test_it_is_fetched_unpacked_and_readable_by_everybody(artifact, tmp_path):
    told: list[Progress] = []
    folder = ensure(artifact, tmp_path / "packages", told.append)
    assert folder == tmp_path / "packages" / "tool" / "1.0"
    assert (folder / "lib/tool/__init__.py").read_text() == "VALUE = 1\n"
    assert list((folder / "lib/tool/__pycache__").iterdir())
    assert (folder / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (folder / "lib/tool/data/big.bin").stat().st_mode & 0o777 == 0o644
    assert not (folder / "lib/tool/data/skipped.cmd").exists()
    assert not (folder / "other").exists()
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {"waiting for", "unpacking"} <= {progress.stage for progress in told}
    assert left_in(tmp_path / "packages") == ["1.0"]


def test_the_second_time_is_instant_and_needs_no_index(artifact, tmp_path, index):
    ensure(artifact, tmp_path)
    (index / WHEEL).unlink()
    told: list[Progress] = []
    # Processor time: it waits for nothing, and other tests may be running beside it.
    begun = time.thread_time()
    ensure(artifact, tmp_path, told.append)
    assert time.thread_time() - begun < 0.1
    assert not told


def test_a_wrong_sum_leaves_nothing(artifact, tmp_path):
    wrong = dataclasses.replace(artifact, sha256="0" * 64)
    with pytest.raises(PackageError, match="checksum is not the pinned one") as caught:
        ensure(wrong, tmp_path)
    assert artifact.sha256 in str(caught.value)
    assert left_in(tmp_path) == []


def test_what_the_index_does_not_have_is_said_in_pips_words(artifact, tmp_path):
    missing = dataclasses.replace(artifact, pypi="tool==2.0")
    with pytest.raises(PackageError, match=r"tool==2\.0 could not be fetched: .*tool==2\.0"):
        ensure(missing, tmp_path)
    assert left_in(tmp_path) == []


def test_a_missing_part_of_the_archive_is_an_error(artifact, tmp_path):
    wrong = dataclasses.replace(artifact, copies=(Copy("elsewhere", "lib"),))
    with pytest.raises(PackageError, match="has nothing below elsewhere"):
        ensure(wrong, tmp_path)
    assert left_in(tmp_path) == []


def test_many_at_once_fetch_it_once(artifact, tmp_path):
    fetched: list[int] = []

    def one(number: int) -> Path:
        stages: list[str] = []
        folder = ensure(artifact, tmp_path, lambda progress: stages.append(progress.stage))
        if "unpacking" in stages:
            fetched.append(number)
        return folder

    with ThreadPoolExecutor(4) as threads:
        folders = set(threads.map(one, range(4)))
    assert folders == {tmp_path / "tool" / "1.0"}
    assert len(fetched) == 1


KILLED = """
import dataclasses, sys, time
from pathlib import Path
from vdc.library.artifacts import ensure
from vdc.library.parts import Artifact, Copy
artifact = eval(sys.argv[1])
def tell(progress):
    if progress.stage == sys.argv[3]:
        print("there", flush=True)
        time.sleep(60)
ensure(artifact, Path(sys.argv[2]), tell)
"""


@pytest.mark.parametrize(
    "stage",
    ["unpacking", *(pytest.param(s, marks=pytest.mark.long) for s in ("fetching", "checking"))],
)
def test_a_kill_in_the_middle_leaves_nothing_that_is_taken_as_whole(artifact, tmp_path, stage):
    # Of pip's own progress only a slow download is seen: as large as said means "checking".
    size = artifact.size if stage == "checking" else artifact.size + 1
    shown = dataclasses.replace(artifact, size=size)
    command = [sys.executable, "-c", KILLED, repr(shown), str(tmp_path), stage]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if stage == "unpacking":
        assert said == "there\n"
        assert not (tmp_path / "tool" / "1.0").exists()
    folder = ensure(artifact, tmp_path)
    assert (folder / "bin/run").is_file()
    assert left_in(tmp_path) == ["1.0"]


def test_a_folder_of_somebody_else_is_not_touched(artifact, tmp_path):
    folder = tmp_path / "tool" / "1.0"
    folder.mkdir(parents=True)
    (folder / "precious").touch()
    with pytest.raises(PackageError, match="was not made by vdc"):
        ensure(artifact, tmp_path)
    assert (folder / "precious").exists()


def test_another_artifact_of_the_same_name_is_noticed(artifact, tmp_path):
    ensure(artifact, tmp_path)
    other = dataclasses.replace(artifact, sha256="1" * 64)
    with pytest.raises(PackageError, match="another checksum"):
        ensure(other, tmp_path)


def archive_of(members: list[tarfile.TarInfo], file: Path) -> Path:
    """A gzipped tar of empty members."""
    with tarfile.open(file, "w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"") if member.isreg() else None)
    return file


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    archive = archive_of([tarfile.TarInfo("top/lib/../../../evil")], tmp_path / "a.tar.gz")
    with pytest.raises(PackageError, match="reaches outside itself"):
        unpack(archive, tmp_path / "out", (Copy("lib", "lib"),), (), lambda _: None)


def test_links_are_passed_over(tmp_path):
    link = tarfile.TarInfo("top/lib/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive = archive_of([link, tarfile.TarInfo("top/lib/file")], tmp_path / "a.tar.gz")
    unpack(archive, tmp_path / "out", (Copy("lib", "lib"),), (), lambda _: None)
    assert [path.name for path in (tmp_path / "out" / "lib").iterdir()] == ["file"]


def test_a_broken_archive_is_told(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"no archive at all")
    with pytest.raises(PackageError, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", (Copy("a", "b"),), (), lambda _: None)
