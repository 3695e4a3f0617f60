"""Engines from their publishers' release archives, taken only when the published sum agrees."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import httpx

from vdc.errors import ToolchainError
from vdc.toolchain.pins import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vdc.toolchain.pins import Addresses, Pin
    from vdc.toolchain.progress import Reporter

# Generous for a slow line, short for a host that a firewall keeps away.
_TIMEOUT = httpx.Timeout(30, connect=5)


def fetch(pin: Pin, folder: Path, reporter: Reporter) -> None:
    """Puts the programs of the release into ``folder/bin``.

    Proxies and certificate authorities are the environment's, as with any other client.

    Raises:
        ToolchainError: No release, or none for this platform, host not reachable, download
            incomplete, sum wrong or not published, or the engine not in the archive. What is
            left in ``folder`` is the caller's to remove.
    """
    release = pin.release
    if release is None:
        raise ToolchainError(f"nobody publishes {pin.engine} by itself")
    addresses = release.addresses(pin.version, Platform.current(), os.environ)
    try:
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            published = _published_sum(client, addresses)
            archive = folder / addresses.name
            actual = _download(client, addresses, archive, pin, reporter)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ToolchainError(_reason(error, addresses)) from error
    if actual != published:
        raise ToolchainError(
            f"{addresses.archive} is refused: its SHA-256 is {actual}, published is {published}"
        )
    _unpack(archive, release.members, folder / "bin")
    archive.unlink()


def _published_sum(client: httpx.Client, addresses: Addresses) -> str:
    answer = client.get(addresses.sums)
    answer.raise_for_status()
    for line in answer.text.splitlines():
        # "<sum>  <name>", the name with a star where the file was read as binary
        fields = line.split()
        if len(fields) == 2 and fields[1].removeprefix("*") == addresses.name:
            return fields[0].lower()
    raise ToolchainError(
        f"{addresses.archive} is refused: {addresses.sums} publishes no sum for it"
    )


def _download(
    client: httpx.Client, addresses: Addresses, archive: Path, pin: Pin, reporter: Reporter
) -> str:
    """Writes the archive and returns its SHA-256."""
    digest = hashlib.sha256()
    # The sum is that of the file as published, so no encoding on the way.
    as_published = {"Accept-Encoding": "identity"}
    with (
        client.stream("GET", addresses.archive, headers=as_published) as answer,
        archive.open("wb") as file,
    ):
        answer.raise_for_status()
        length = answer.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else None
        with reporter.download(pin.title, addresses.name, size) as advance:
            for chunk in answer.iter_raw():
                file.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
    return digest.hexdigest()


def _unpack(archive: Path, members: tuple[str, ...], folder: Path) -> None:
    """Copies the named members, and nothing else, into ``folder`` under their last names.

    Paths inside the archive decide nothing about where a file goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for member, content in _contents(archive, members):
            program = folder / PurePosixPath(member).name
            with content, program.open("wb") as file:
                shutil.copyfileobj(content, file)
            program.chmod(0o755)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise ToolchainError(f"{archive.name} is not a readable archive ({error})") from error
    if not (folder / PurePosixPath(members[0]).name).is_file():
        raise ToolchainError(f"{archive.name} holds no {members[0]}")


def _contents(archive: Path, members: tuple[str, ...]) -> Iterator[tuple[str, IO[bytes]]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name in members:
                    yield name, opened.open(name)
        return
    with tarfile.open(archive, "r:gz") as stream:
        for entry in stream:
            content = stream.extractfile(entry) if entry.isreg() else None
            if content and entry.name in members:
                yield entry.name, content


def _reason(error: httpx.HTTPError | httpx.InvalidURL, addresses: Addresses) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.request.url} answers {error.response.status_code}"
    if isinstance(error, httpx.InvalidURL) or not (request := _request(error)):
        return f"{addresses.archive} cannot be asked ({error})"
    what = "the connection timed out" if isinstance(error, httpx.TimeoutException) else str(error)
    return f"{request.url} cannot be fetched ({what})"


def _request(error: httpx.HTTPError) -> httpx.Request | None:
    try:
        return error.request
    except RuntimeError:  # httpx's answer when the error came before any request
        return None
