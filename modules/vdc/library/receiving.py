"""Software that comes in parts, from somebody who can fetch what this machine cannot."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from vdc.errors import PackageError
from vdc.library.artifacts import Progress, ensure
from vdc.library.parts import Artifact

_FOLDER = ".received"


def received(artifact: Artifact, packages_dir: Path) -> int:
    """How many bytes of an artifact's archive have come."""
    try:
        return _place(artifact, packages_dir).stat().st_size
    except FileNotFoundError:
        return 0


def receive(artifact: Artifact, packages_dir: Path, offset: int, content: bytes) -> int:
    """Keeps the next part of an archive; one that has come already is passed over.

    Returns:
        How many bytes have come.

    Raises:
        PackageError: Something is missing before this part.
        OSError: The disk refused.
    """
    place = _place(artifact, packages_dir)
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{place}.lock"):
        there = received(artifact, packages_dir)
        if offset > there:
            raise PackageError(f"{artifact.name}: {there} bytes have come, and this is at {offset}")
        with place.open("ab") as file:
            file.write(content[there - offset :])
            return file.tell()


def unpack_received(
    artifact: Artifact, packages_dir: Path, progress: Callable[[Progress], None] = lambda _: None
) -> None:
    """Unpacks an archive that has come as a whole; blocks for as long as that takes.

    Raises:
        PackageError: It is another archive than the package wants; nothing of it is kept.
        OSError: The disk refused.
    """
    place = _place(artifact, packages_dir)
    with FileLock(f"{place}.lock"):
        if not place.exists():
            return  # somebody else was first
        with place.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
        if got != artifact.sha256:
            place.unlink()
            raise PackageError(f"{artifact.name}: what came has the SHA-256 {got}; send it again")
        # What an archive is, its name tells.
        named = place.with_suffix(".zip" if zipfile.is_zipfile(place) else ".tar")
        place.rename(named)
        try:
            ensure(artifact, packages_dir, progress, archive=named)
        finally:
            named.unlink()


def _place(artifact: Artifact, packages_dir: Path) -> Path:
    return packages_dir / _FOLDER / f"{artifact.sha256}.part"
