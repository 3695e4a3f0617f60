"""The software of a node as one archive, made once for each content and kept in the cache."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import tarfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from vdc.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vdc.home import Home

# The archive's own form is part of its content: raise it when the way of packing changes.
_FORM = b"1"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """An archive that a node installs.

    Attributes:
        path: ``vdc-node-<arch>.tar.gz`` in the user's cache.
        sha256: Sum of the archive, 64 hex digits.
    """

    path: Path
    sha256: str


@dataclass(frozen=True)
class _Member:
    name: str
    content: bytes | Path
    mode: int


def bundle(arch: str, nomad: Path, home: Home) -> Bundle:
    """Packs the agent and vdc's programs for nodes of one architecture, unless that is done.

    The same content gives the same bytes with the same zlib. Blocks for seconds the first time,
    and for a fraction of one afterwards; safe beside itself.

    Args:
        arch: ``amd64`` or ``arm64``.
        nomad: The agent's program for that architecture.
        home: Whose cache keeps the archive.

    Raises:
        ToolchainError: The agent's program or the cache cannot be used.
    """
    members = sorted(_members(nomad), key=lambda member: member.name)
    try:
        folder = home.cache / "bundles" / f"{arch}-{_key(members)}"
        made = Bundle(folder / f"vdc-node-{arch}.tar.gz", "")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                _make(folder, made.path.name, members)
        return Bundle(made.path, (folder / "sha256").read_text(encoding="ascii").strip())
    except OSError as error:
        raise ToolchainError(
            f"the bundle for {arch} nodes cannot be made from {nomad}: {error}; "
            "check the program and the space in the cache"
        ) from error


def _members(nomad: Path) -> Iterator[_Member]:
    """What the archive holds: ``bin/*``, ``units/*`` and ``install.sh``."""
    yield _Member("bin/nomad", nomad, 0o755)
    programs = files("vdc.bootstrap").joinpath("files")
    for entry in programs.iterdir():
        if entry.name.startswith("vdc-"):
            yield _Member(f"bin/{entry.name}", entry.read_bytes(), 0o755)
    for unit in programs.joinpath("units").iterdir():
        yield _Member(f"units/{unit.name}", unit.read_bytes(), 0o644)
    yield _Member("install.sh", programs.joinpath("install.sh").read_bytes(), 0o755)


def _key(members: list[_Member]) -> str:
    digest = hashlib.sha256(_FORM)
    for member in members:
        if isinstance(member.content, Path):
            with member.content.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        else:
            content = hashlib.sha256(member.content).hexdigest()
        digest.update(f"\n{member.name} {member.mode:o} {content}".encode())
    return digest.hexdigest()[:16]


def _make(folder: Path, name: str, members: list[_Member]) -> None:
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


def _add(archive: tarfile.TarFile, member: _Member) -> None:
    entry = tarfile.TarInfo(member.name)
    entry.mode = member.mode
    if isinstance(member.content, Path):
        entry.size = member.content.stat().st_size
        with member.content.open("rb", buffering=_CHUNK) as file:
            archive.addfile(entry, file)
    else:
        entry.size = len(member.content)
        archive.addfile(entry, io.BytesIO(member.content))
