"""Wheels of pinned distributions for other Pythons than our own, by the user's pip."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

from vdc.declaration.os import MACHINES
from vdc.errors import ToolchainError

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""What servers may have, the oldest first."""
# What the oldest systems that bring Python 3.11 can load.
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


@dataclass(frozen=True)
class Pin:
    """One distribution of a lock file.

    Attributes:
        requirement: ``name==version``, with a marker where it is not for every Python.
        hashes: ``--hash=…`` of all its files.
    """

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> NormalizedName:
        """As in the names of wheels, once both are normalized."""
        return canonicalize_name(self.requirement.name)

    def meant_for(self, python: str) -> bool:
        """Whether a Python (``3.12``) on Linux wants it."""
        marker = self.requirement.marker
        about = {"python_version": python, "python_full_version": f"{python}.0"}
        # pip judges markers by the Python that it runs on.
        system = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
        return marker is None or marker.evaluate({**_environment(), **system, **about})

    @property
    def line(self) -> str:
        """As a requirements file has it, for whoever has judged the marker."""
        return " ".join((f"{self.requirement.name}{self.requirement.specifier}", *self.hashes))


def _environment() -> dict[str, str]:
    return {key: str(value) for key, value in default_environment().items()}


def pins(lock: str) -> Iterator[Pin]:
    """Reads a lock file as ``uv pip compile --generate-hashes`` writes it."""
    for line in lock.replace("\\\n", " ").splitlines():
        words, *hashes = line.split("--hash=")
        if words.strip() and not words.startswith("#"):
            said = tuple(f"--hash={value.strip()}" for value in hashes)
            yield Pin(Requirement(words.strip()), said)


def fetch(lock: Sequence[Pin], arch: str, folder: Path) -> None:
    """Downloads wheels with which every one of :data:`PYTHONS` has all of the lock.

    Blocks for as long as the index takes.

    Args:
        lock: What is wanted.
        arch: ``amd64`` or ``arm64``.
        folder: Where the wheels go.

    Raises:
        ToolchainError: A wheel is not to be had, or has another sum; the text is pip's own.
    """
    oldest, *others = PYTHONS
    _download([pin for pin in lock if pin.meant_for(oldest)], arch, oldest, folder)
    shared = set(_shared(folder))

    def rest(python: str) -> None:
        own = [pin for pin in lock if pin.meant_for(python) and _key(pin) not in shared]
        _download(own, arch, python, folder)

    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(rest, others))


def _key(pin: Pin) -> tuple[NormalizedName, str]:
    (version,) = (clause.version for clause in pin.requirement.specifier)
    return pin.name, version


def _shared(folder: Path) -> Iterator[tuple[NormalizedName, str]]:
    """What newer Pythons can load as well."""
    for wheel in folder.glob("*.whl"):
        name, version, _, tags = parse_wheel_filename(wheel.name)
        if any(tag.interpreter.startswith("py") or tag.abi == "abi3" for tag in tags):
            yield name, str(version)


def _download(wanted: Iterable[Pin], arch: str, python: str, folder: Path) -> None:
    platforms = [f"--platform={platform}_{MACHINES[arch]}" for platform in _PLATFORMS]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.writelines(f"{pin.line}\n" for pin in wanted)
        requirements.flush()
        command = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-input",
            "--disable-pip-version-check", "--no-deps", "--require-hashes",
            "--only-binary=:all:", "--implementation=cp", f"--python-version={python}",
            *platforms, f"--dest={folder}", f"--requirement={requirements.name}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        reason = said[0].removeprefix("ERROR:").strip() if said else "pip failed"
        raise ToolchainError(f"the pool service's wheels for Python {python}: {reason}")
