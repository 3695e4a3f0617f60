"""Unpacked software as one archive, for machines that fetch it instead of sharing a folder.

The same files give the same bytes, so that an archive is named by its content.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock

from vdc.library.artifacts import Progress
from vdc.library.parts import Artifact

_FOLDER = ".archives"
_STORED, _PACKED = 0, 6
_COMPRESSED = frozenset({".bz2", ".gz", ".jar", ".png", ".tgz", ".whl", ".xz", ".zip", ".zst"})
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A gzipped tar of one artifact's folder.

    Attributes:
        source: The artifact's own digest, by which an unpacked folder is known.
        sha256: The archive's digest, and its name.
        size: Bytes of the archive.
        unpacked: Bytes of the files in it.
    """

    source: str
    sha256: str
    size: int
    unpacked: int

    @property
    def whole(self) -> int:
        """Bytes that archive and files take together."""
        return self.size + self.unpacked


def archive_file(packages_dir: Path, sha256: str) -> Path:
    """Where the archive of this digest lies, if there is one."""
    return packages_dir / _FOLDER / f"{sha256}.tar.gz"


def pack(
    artifact: Artifact,
    packages_dir: Path,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Archive:
    """The archive of an unpacked artifact, made when it is not there yet.

    Blocking, at most for as long as the disk takes to read and write it. Safe to call from any
    number of processes and to kill at any moment.

    Args:
        artifact: Its folder must be there; see :func:`vdc.library.artifacts.ensure`.
        packages_dir: The machine's packages folder.
        progress: Told about every file.

    Raises:
        OSError: The folder is not there, or the disk refused.
    """
    archives = packages_dir / _FOLDER
    archives.mkdir(parents=True, exist_ok=True)
    receipt = _receipt(packages_dir, artifact.folder)
    with FileLock(receipt.with_suffix(".lock")):
        known = packed(artifact, packages_dir)
        # One that rotted would be refused by every node; reading it is quick beside making it.
        if known and _digest(archive_file(packages_dir, known.sha256)) == known.sha256:
            return known
        archive = _pack(artifact, packages_dir, progress)
        _write(receipt, archive)
    return archive


def packed(artifact: Artifact, packages_dir: Path) -> Archive | None:
    """The archive of an artifact if it is there already."""
    known = _known(_receipt(packages_dir, artifact.folder))
    if known is None or known.source != artifact.sha256:
        return None
    made = archive_file(packages_dir, known.sha256)
    return known if made.is_file() and made.stat().st_size == known.size else None


def discard(packages_dir: Path, folder: str) -> None:
    """Removes the archive of an artifact's folder; none is no error."""
    receipt = _receipt(packages_dir, folder)
    if not receipt.exists():
        return
    with FileLock(receipt.with_suffix(".lock")):
        if known := _known(receipt):
            archive_file(packages_dir, known.sha256).unlink(missing_ok=True)
        receipt.unlink(missing_ok=True)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _receipt(packages_dir: Path, folder: str) -> Path:
    return packages_dir / _FOLDER / f"{folder.replace('/', '-')}.json"


def _known(receipt: Path) -> Archive | None:
    try:
        return Archive(**json.loads(receipt.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # none, or one of another version of vdc: the archive is made anew


def _write(receipt: Path, archive: Archive) -> None:
    beside = receipt.with_suffix(".new")
    beside.write_text(json.dumps(asdict(archive)) + "\n", encoding="utf-8")
    beside.replace(receipt)


def _pack(artifact: Artifact, packages_dir: Path, progress: Callable[[Progress], None]) -> Archive:
    folder = packages_dir / artifact.folder
    beginning = f"{artifact.name}-{artifact.version}.part-"
    for leftover in (packages_dir / _FOLDER).glob(f"{beginning}*"):
        leftover.unlink(missing_ok=True)  # under the lock: whoever made it is dead
    files = list(_files(folder))
    total = sum(file.stat().st_size for file in files)
    handle, name = tempfile.mkstemp(prefix=beginning, dir=packages_dir / _FOLDER)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as raw:
            hashed = _Hashed(raw)
            done = 0
            for file in files:
                done += _add(hashed, file, str(file.relative_to(folder)))
                progress(Progress("packing", done, total))
            with _member(hashed, _PACKED) as end:
                end.write(bytes(2 * tarfile.BLOCKSIZE))
        archive = Archive(artifact.sha256, hashed.digest, part.stat().st_size, total)
        part.chmod(0o644)
        part.replace(archive_file(packages_dir, archive.sha256))
    finally:
        part.unlink(missing_ok=True)
    return archive


def _files(folder: Path) -> Iterator[Path]:
    """Regular files in an order that is everywhere the same; there is nothing else to pack."""
    for place, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        yield from (Path(place) / name for name in sorted(names))


def _refuse(error: OSError) -> None:
    raise error


def _add(archive: _Hashed, file: Path, name: str) -> int:
    """Appends a file as a gzip member of its own: most of what is large is compressed already."""
    status = file.stat()
    info = tarfile.TarInfo(name)
    info.size = status.st_size
    info.mode = 0o755 if status.st_mode & 0o111 else 0o644
    level = _STORED if file.suffix in _COMPRESSED else _PACKED
    with file.open("rb") as content, _member(archive, level) as member:
        member.write(info.tobuf(tarfile.GNU_FORMAT))
        shutil.copyfileobj(content, member, _CHUNK)
        member.write(bytes(-info.size % tarfile.BLOCKSIZE))
    return info.size


def _member(archive: _Hashed, level: int) -> gzip.GzipFile:
    return gzip.GzipFile("", "wb", level, archive, mtime=0)


class _Hashed:
    """A file that is written and hashed in one go."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._sum = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._sum.hexdigest()

    def write(self, data: bytes) -> int:
        self._sum.update(data)
        return self._raw.write(data)

    def flush(self) -> None:
        self._raw.flush()
