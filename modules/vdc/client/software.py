"""Bringing software to a pool whose service reaches no package index."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vdc.client.models import Answer

if TYPE_CHECKING:
    from vdc.client.api import PoolClient

_PART = 2 * 1024 * 1024

Tell = Callable[[str, int, int], None]
"""Told what is done, how many bytes are dealt with, and of how many."""


class Software(Answer):
    """Something that a package needs on every node that runs it.

    Attributes:
        name: Name and version.
        pinned: Where it comes from, as pip knows it.
        sha256: Of the archive.
        size: Bytes of the archive; 0 when nobody says.
        there: Whether the service has it.
        received: Bytes of it that have come from a client.
    """

    name: str
    pinned: str
    sha256: str
    size: int = 0
    there: bool
    received: int = 0


def supply(client: PoolClient, package: str, tell: Tell) -> list[Software]:
    """Fetches what the service lacks for a package, here, and sends it; cut off, it goes on.

    Returns:
        All that the package needs, now there.

    Raises:
        PoolError: The service refuses, or does not answer.
        PackageError: This machine cannot fetch it either.
    """
    for wanted in client.software(package):
        if not wanted.there:
            with tempfile.TemporaryDirectory(prefix="vdc-") as folder:
                _send(client, package, wanted, _fetched(wanted, Path(folder), tell), tell)
    return client.software(package)


def _fetched(wanted: Software, folder: Path, tell: Tell) -> Path:
    from vdc.library import pip  # nobody else who only calls the service needs it

    return pip.download(
        wanted.pinned,
        wanted.sha256,
        folder / "download",
        lambda done: tell(f"fetching {wanted.name}", done, wanted.size),
    )


def _send(client: PoolClient, package: str, wanted: Software, archive: Path, tell: Tell) -> None:
    size, sent = archive.stat().st_size, wanted.received
    with archive.open("rb") as file:
        while sent < size:
            file.seek(sent)
            sent = client.send_software(package, wanted.sha256, sent, file.read(_PART)).received
            tell(f"sending {wanted.name}", sent, size)
    tell(f"unpacking {wanted.name} at the service", size, size)
    client.unpack_software(package, wanted.sha256)
