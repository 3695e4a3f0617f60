"""The pool service's program for servers of its own: a locked wheelhouse, and vdc's own wheel.

A server makes a virtual environment from it and asks no package registry.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from filelock import FileLock

import vdc
from vdc.declaration.os import MACHINES
from vdc.errors import ToolchainError, VdcError
from vdc.home import Home
from vdc.provider import wheels
from vdc.provider.agent import agent_program
from vdc.provider.archive import Archive, Member, packed
from vdc.provider.bundle import bundle

_ROOT = Path(vdc.__file__).parents[2]
_LOCK = Path("toolchain/python/pool.lock")
_SILENCE_S = 60.0


def wheelhouse(arch: str, home: Home) -> Archive:
    """``vdc-wheelhouse-<version>-<arch>.tar.gz`` of the running checkout, unless it is made.

    Blocks for as long as the package index takes, once for each lock; afterwards for a second
    when the code has changed. Safe beside itself.

    Args:
        arch: ``amd64`` or ``arm64``.
        home: Whose cache keeps it.

    Raises:
        ToolchainError: There is no checkout, the index lacks something, or the cache is full.
    """
    lock = _ROOT / _LOCK
    if not lock.exists():
        raise ToolchainError(
            "the pool service's program is made from a checkout of vdc, and this is none; "
            "declare control.release"
        )
    name = f"vdc-wheelhouse-{vdc.__version__}-{arch}.tar.gz"
    try:
        text = lock.read_text(encoding="utf-8")
        folder = home.cache / "releases"
        folder.mkdir(parents=True, exist_ok=True)
        others = _others(text, arch, folder)
        own = _own(folder)
        members = [Member(wheel.name, wheel, 0o644) for wheel in (*others, own)]
        members.append(Member("requirements.txt", text.encode(), 0o644))
        return packed(folder, arch, name, members)
    except OSError as error:
        raise ToolchainError(f"{name} cannot be made in the cache: {error}") from error


def fetched(url: str, sha256: str, home: Home) -> Path:
    """A wheelhouse that was made elsewhere, from an https address or a file; kept in the cache.

    Raises:
        ToolchainError: It is not to be had, or has another sum.
    """
    there = home.cache / "releases" / sha256 / "vdc-wheelhouse.tar.gz"
    if there.exists():
        return there
    try:
        there.parent.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=there.parent.parent) as scratch:
            part = Path(scratch) / "whole"
            part.mkdir()
            got = _copy(url, part / there.name)
            if got != sha256:
                raise ToolchainError(f"control.release {url} has the SHA-256 {got}, not {sha256}")
            with FileLock(f"{there.parent}.lock"):
                if not there.exists():
                    part.rename(there.parent)
    except (OSError, httpx.HTTPError) as error:
        raise ToolchainError(f"control.release {url} cannot be had: {error}") from error
    return there


def _copy(url: str, target: Path) -> str:
    """Copies a file or fetches an address; returns the SHA-256 of what came."""
    digest = hashlib.sha256()
    with target.open("wb") as written:
        for chunk in _chunks(url):
            digest.update(chunk)
            written.write(chunk)
    return digest.hexdigest()


def _chunks(url: str) -> Iterator[bytes]:
    if url.startswith("/"):
        yield Path(url).read_bytes()
        return
    with httpx.stream("GET", url, follow_redirects=True, timeout=_SILENCE_S) as answer:
        answer.raise_for_status()
        yield from answer.iter_bytes()


def _others(lock: str, arch: str, folder: Path) -> list[Path]:
    """The locked wheels; there as a whole or not at all."""
    form = repr((wheels.PYTHONS, lock))
    there = folder / f"wheels-{arch}-{hashlib.sha256(form.encode()).hexdigest()[:16]}"
    with FileLock(f"{there}.lock"):
        if not there.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                part = Path(scratch) / "wheels"
                part.mkdir()
                wheels.fetch(list(wheels.pins(lock)), arch, part)
                part.rename(there)
    return sorted(there.glob("*.whl"))


def _own(folder: Path) -> Path:
    """The wheel of this checkout, built again when a file of it has changed."""
    digest = hashlib.sha256()
    for file in sorted(_sources()):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(_ROOT)} {content}\n".encode())
    there = folder / f"own-{digest.hexdigest()[:16]}"
    with FileLock(f"{there}.lock"):
        if not there.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                part = Path(scratch) / "wheel"
                _build(part)
                part.rename(there)
    (wheel,) = there.glob("*.whl")
    return wheel


def _sources() -> Iterator[Path]:
    yield _ROOT / "pyproject.toml"
    for folder in ("modules/vdc", "schemas"):
        for file in (_ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def _build(target: Path) -> None:
    command = [
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-input",
        "--disable-pip-version-check", "--no-deps", "--no-build-isolation",
        f"--wheel-dir={target}", str(_ROOT),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise ToolchainError(f"vdc's own wheel cannot be built: {said[-1] if said else ''}")


def _put(made: Archive, target: Path) -> None:
    shutil.copyfile(made.path, target)
    summed = target.with_name(f"{target.name}.sha256")
    summed.write_text(f"{made.sha256}  {target.name}\n", encoding="ascii")
    sys.stdout.write(f"{target}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m vdc.provider.release``: writes what servers install, with sums, into a folder.

    The wheelhouse; and with nomad on PATH a server's whole software, for servers that fetch it.
    """
    parser = argparse.ArgumentParser(prog="vdc.provider.release", description=__doc__)
    parser.add_argument("--arch", choices=sorted(MACHINES), action="append", required=True)
    parser.add_argument("--into", type=Path, required=True, help="folder")
    options = parser.parse_args(arguments)
    try:
        options.into.mkdir(parents=True, exist_ok=True)
        home = Home.of_user()
        for arch in options.arch:
            made = wheelhouse(arch, home)
            _put(made, options.into / made.path.name)
            whole = f"vdc-server-{vdc.__version__}-{arch}.tar.gz"
            try:
                agent = agent_program(arch)
            except ToolchainError as error:
                sys.stderr.write(f"{whole} is left out: {error}\n")
                continue
            _put(bundle(arch, agent, home, made.path), options.into / whole)
    except VdcError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
