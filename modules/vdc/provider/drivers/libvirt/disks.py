"""Small disks with files: user data and payloads, as ISO 9660 or ext4 images."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from vdc.errors import NodeError

DiskFormat = Literal["iso", "ext4"]

_MIB = 1 << 20
_SLACK_MIB = 1
_UNUSED_S = 14 * 86400


def from_texts(kind: DiskFormat, label: str, files: Mapping[str, str]) -> bytes:
    """A disk with small files, read by label (``iso``) or mounted (``ext4``).

    Raises:
        NodeError: ``mke2fs`` is missing or failed.
    """
    # Join secrets pass through here: a folder of mode 0700, gone at the end.
    with tempfile.TemporaryDirectory(prefix="vdc-disk-") as folder:
        inside = Path(folder) / "files"
        inside.mkdir()
        for name, text in files.items():
            (inside / name).write_text(text)
        made = Path(folder) / "disk"
        from_folder(kind, label, inside, made)
        return made.read_bytes()


def from_file(kind: DiskFormat, label: str, file: Path, sha256: str, cache: Path) -> Path:
    """A disk with one big file, kept in ``cache`` by its sum for other hosts and the next run."""
    target = cache / f"{sha256}.{kind}"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as folder:
            inside = Path(folder) / "files"
            inside.mkdir()
            shutil.copyfile(file, inside / file.name)
            made = Path(folder) / "disk"
            from_folder(kind, label, inside, made)
            made.replace(target)
    target.touch()
    for other in cache.glob(f"*.{kind}"):
        if other.stat().st_mtime < time.time() - _UNUSED_S:
            other.unlink(missing_ok=True)
    return target


def from_folder(kind: DiskFormat, label: str, folder: Path, target: Path) -> None:
    """Writes a disk with the folder's files."""
    if kind == "iso":
        _iso(label, folder, target)
    else:
        _ext4(label, folder, target)


def _iso(label: str, folder: Path, target: Path) -> None:
    import pycdlib

    disk = pycdlib.PyCdlib()
    disk.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    for number, file in enumerate(sorted(folder.iterdir())):
        disk.add_file(
            str(file),
            iso_path=f"/FILE{number}.;1",  # its own names are short; readers use the other two
            rr_name=file.name,
            joliet_path=f"/{file.name}",
        )
    disk.write(str(target))
    disk.close()


def _ext4(label: str, folder: Path, target: Path) -> None:
    bytes_inside = sum(file.stat().st_size for file in folder.iterdir())
    mib = bytes_inside * 11 // 10 // _MIB + _SLACK_MIB
    command = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", label]
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    try:
        done = subprocess.run(
            [*command, "-E", "root_owner=0:0", "-d", str(folder), str(target), f"{mib}M"],
            env={"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise NodeError(
            "mke2fs is not on PATH; install e2fsprogs, which makes the disks of containers"
        ) from None
    if done.returncode:
        raise NodeError(f"mke2fs: {' '.join(done.stderr.split())}")
