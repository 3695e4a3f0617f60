"""Bringing what nodes fetch to a service that stands where it was not made.

It comes in parts, from who may run work, and is served only when it has the sum that it is asked
for by: a node installs nothing else anyway.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from vdc.pool.aside import aside
from vdc.pool.auth import Caller
from vdc.pool.refusal import RefusalError
from vdc.pool.service import Service
from vdc.pool.software.supply import changer

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = "vdc-node.tar.gz"
_BROUGHT = "brought-"
# One for each architecture and version; nodes that are installed do not come back for theirs.
_KEPT = 8
_LARGEST = 1 << 30
# Several groups' runs bring the same, and each request has a thread of its own.
_CHANGING = threading.Lock()

router = APIRouter(prefix="/api/v1/bundles/{sha256}", tags=["joining"])


class Bundle(BaseModel):
    """What the service has of a bundle. ``received``: bytes of it that have come."""

    there: bool
    received: int


def _folder(sha256: str, request: Request) -> Path:
    service: Service = request.app.state.service
    if service.config.join is None or not _DIGEST.fullmatch(sha256):
        raise RefusalError(404, "there is nothing at this address")
    return service.config.join.bundles_dir


Folder = Annotated[Path, Depends(_folder)]
Changer = Annotated[Caller, Depends(changer)]


@router.get("")
async def get_bundle(sha256: str, folder: Folder) -> Bundle:
    """Whether nodes can fetch it, and how much of it is here."""
    return await aside(partial(_shown, folder, sha256))


@router.put("")
async def send_bundle(
    sha256: str, folder: Folder, request: Request, _: Changer, offset: Annotated[int, Query(ge=0)]
) -> Bundle:
    """Bring the next part."""
    content = await request.body()
    await aside(partial(_receive, folder, sha256, offset, content))
    return await aside(partial(_shown, folder, sha256))


@router.post("")
async def finish_bundle(sha256: str, folder: Folder, _: Changer) -> Bundle:
    """Have one that has come as a whole served."""
    await aside(partial(_finish, folder, sha256))
    return await aside(partial(_shown, folder, sha256))


def bundle(folder: Path, sha256: str) -> Path | None:
    """The archive of this content; beside each lies a file with its sum."""
    for written in folder.glob("*/sha256"):
        if written.read_text().strip() == sha256:
            return next(written.parent.glob("*.tar.gz"), None)
    return None


def _part(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}.part"


def _shown(folder: Path, sha256: str) -> Bundle:
    part = _part(folder, sha256)
    received = part.stat().st_size if part.exists() else 0
    return Bundle(there=bundle(folder, sha256) is not None, received=received)


def _receive(folder: Path, sha256: str, offset: int, content: bytes) -> None:
    with _CHANGING:
        if bundle(folder, sha256) is None:  # else somebody who sends it too was faster
            _append(folder, sha256, offset, content)


def _append(folder: Path, sha256: str, offset: int, content: bytes) -> None:
    part = _part(folder, sha256)
    part.touch()
    if part.stat().st_size != offset:
        raise RefusalError(409, f"the next byte is {part.stat().st_size}, not {offset}")
    if offset + len(content) > _LARGEST:
        raise RefusalError(413, f"a bundle is no larger than {_LARGEST} bytes")
    with part.open("ab") as file:
        file.write(content)


def _finish(folder: Path, sha256: str) -> None:
    with _CHANGING:
        _serve(folder, sha256)


def _serve(folder: Path, sha256: str) -> None:
    part = _part(folder, sha256)
    if not part.exists():
        return  # somebody else has finished it
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()
        raise RefusalError(409, f"what has come has the SHA-256 {found}", "send it anew")
    own = folder / f"{_BROUGHT}{sha256[:16]}"
    own.mkdir(exist_ok=True)
    part.replace(own / _NAME)
    (own / "sha256").write_text(f"{sha256}\n", encoding="ascii")
    brought = sorted(folder.glob(f"{_BROUGHT}*"), key=lambda one: one.stat().st_mtime)
    for old in brought[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
