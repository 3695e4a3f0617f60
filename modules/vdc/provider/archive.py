"""Archives that machines fetch: the same bytes for the same content, made once and kept."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

# The archive's own form is part of its content: raise it when the way of packing changes.
_FORM = b"1"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file of an archive; ``content`` is the bytes, or where they lie."""

    name: str
    content: bytes | Path
    mode: int


@dataclass(frozen=True)
class Archive:
    """An archive in the user's cache.

    Attributes:
        path: The ``.tar.gz``.
        sha256: Its sum, 64 hex digits.
    """

    path: Path
    sha256: str


def packed(folder: Path, prefix: str, name: str, members: Sequence[Member]) -> Archive:
    """Packs members unless that is done; the same content gives the same bytes with the same zlib.

    Blocks for seconds the first time, and for a fraction of one afterwards; safe beside itself.

    Args:
        folder: Holds a folder for each content.
        prefix: What that folder's name begins with.
        name: Of the archive.
        members: What it holds; order does not count.

    Raises:
        OSError: A member, or the folder, cannot be used.
    """
    members = sorted(members, key=lambda member: member.name)
    own = folder / f"{prefix}-{_key(members)}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{own}.lock"):
        if not own.exists():
            _make(own, name, members)
    return Archive(own / name, (own / "sha256").read_text(encoding="ascii").strip())


def _key(members: Sequence[Member]) -> str:
    digest = hashlib.sha256(_FORM)
    for member in members:
        if isinstance(member.content, Path):
            seen = member.content.stat()
            content = _sum(member.content, seen.st_mtime_ns, seen.st_size)
        else:
            content = hashlib.sha256(member.content).hexdigest()
        digest.update(f"\n{member.name} {member.mode:o} {content}".encode())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=64)
def _sum(file: Path, _modified_ns: int, _size: int) -> str:
    """Of a file, asked for at every step of a group: the agent's program has 100 MB."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _make(folder: Path, name: str, members: Sequence[Member]) -> None:
    """Writes archive and sum; the folder appears whole or not at all."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        with (part / name).open("wb") as raw:
            # Neither time nor file name in the header.
            with (
                gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
                tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
            ):
                for member in members:
                    _add(archive, member)
            raw.flush()
            os.fsync(raw.fileno())
        with (part / name).open("rb") as made:
            sha256 = hashlib.file_digest(made, "sha256").hexdigest()
        (part / "sha256").write_text(f"{sha256}\n", encoding="ascii")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _add(archive: tarfile.TarFile, member: Member) -> None:
    entry = tarfile.TarInfo(member.name)
    entry.mode = member.mode
    if isinstance(member.content, Path):
        entry.size = member.content.stat().st_size
        with member.content.open("rb", buffering=_CHUNK) as file:
            archive.addfile(entry, file)
    else:
        entry.size = len(member.content)
        archive.addfile(entry, io.BytesIO(member.content))
