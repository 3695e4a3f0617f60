"""Parts of an archive into a folder: source distributions (tar) and wheels (zip)."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from vdc.errors import PackageError
from vdc.library.parts import Copy

_EXECUTABLE = 0o111


@dataclass(frozen=True)
class _Member:
    path: PurePosixPath
    executable: bool
    content: IO[bytes]
    offset: int


def unpack(
    archive: Path,
    folder: Path,
    copies: tuple[Copy, ...],
    skip: tuple[str, ...],
    progress: Callable[[int], None],
) -> None:
    """Writes the wanted regular files of an archive; links and devices are passed over.

    Args:
        archive: A ``.tar.*`` with one top folder, which is left out of the paths, or a wheel.
        folder: Where to; made here.
        copies: Which parts, and where each goes.
        skip: Globs on paths in the archive; ``*`` matches across folders.
        progress: Told after each file how many bytes of the archive are read.

    Raises:
        PackageError: The archive cannot be read, or has nothing of a part.
    """
    folder.mkdir()
    filled: set[Copy] = set()
    try:
        for member in _members(archive):
            progress(member.offset)
            if any(fnmatchcase(str(member.path), pattern) for pattern in skip):
                continue
            for copy in copies:
                if member.path.is_relative_to(copy.source):
                    filled.add(copy)
                    _write(member, folder / copy.to / member.path.relative_to(copy.source))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise PackageError(f"{archive.name} cannot be unpacked: {error}") from error
    for copy in copies:
        if copy not in filled:
            raise PackageError(f"{archive.name} has nothing below {copy.source}")


def _write(member: _Member, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(member.content, file)
    # Readable by whoever the tasks run as, writable by nobody else, whatever the archive says.
    target.chmod(0o755 if member.executable else 0o644)


def _members(archive: Path) -> Iterator[_Member]:
    wheel = archive.suffix in {".whl", ".zip"}
    for member in _of_zip(archive) if wheel else _of_tar(archive):
        if ".." in member.path.parts or member.path.is_absolute():
            raise PackageError(f"{archive.name} reaches outside itself with {member.path}")
        yield member


def _of_tar(archive: Path) -> Iterator[_Member]:
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as tar:
        for info in tar:
            content = tar.extractfile(info) if info.isreg() else None
            if content is not None:
                path = PurePosixPath(*PurePosixPath(info.name).parts[1:])
                yield _Member(path, bool(info.mode & _EXECUTABLE), content, raw.tell())


def _of_zip(archive: Path) -> Iterator[_Member]:
    done = 0
    with zipfile.ZipFile(archive) as source:
        for info in source.infolist():
            done += info.compress_size
            if not info.is_dir():
                with source.open(info) as content:
                    mode = info.external_attr >> 16
                    path = PurePosixPath(info.filename)
                    yield _Member(path, bool(mode & _EXECUTABLE), content, done)
