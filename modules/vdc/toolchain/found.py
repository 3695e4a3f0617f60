"""Finding engines that are already on this machine; makes and fetches nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from vdc.errors import ToolchainError
from vdc.toolchain.pins import PINS, Pin
from vdc.toolchain.versions import known_version

if TYPE_CHECKING:
    from vdc.home import Home

Source = Literal["path", "release", "build"]
"""Where a program came from: found on PATH, an official release, or a build from its pinned
module."""


@dataclass(frozen=True)
class Found:
    """What was found of one engine.

    Attributes:
        engine: Name of the program.
        version: The version wanted.
        path: Where it is, absolute; None when no usable one was found.
        source: Where it came from; None when no usable one was found.
        problem: Why none is usable; empty when one is.
    """

    engine: str
    version: str
    path: Path | None
    source: Source | None
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether it can be used."""
        return self.path is not None


@dataclass(frozen=True)
class Paths:
    """The engines as they are used: absolute paths of programs at their pinned versions."""

    pulumi: Path
    nomad: Path


def paths(home: Home) -> Paths:
    """Both engines, in milliseconds once their versions have been checked.

    Raises:
        ToolchainError: One of them is not installed.
    """
    return Paths(pulumi=engine_path("pulumi", home), nomad=engine_path("nomad", home))


def engine_path(engine: str, home: Home) -> Path:
    """Absolute path of one engine at its pinned version.

    Raises:
        ToolchainError: It is not installed, or there is no such engine.
    """
    pin = next((pin for pin in PINS if pin.engine == engine), None)
    if pin is None:
        known = " and ".join(pin.engine for pin in PINS)
        raise ToolchainError(f"there is no engine {engine!r}; there are {known}")
    found = find(pin, home)
    if found.path is None:
        raise ToolchainError(
            f"{engine} {pin.version} is not installed ({found.problem}); "
            "run `vdc toolchain install`"
        )
    return found.path


def cached(pin: Pin, home: Home) -> Path:
    """Where the engine is in the cache, or would be."""
    return home.engines / pin.folder / "bin" / pin.engine


def find(pin: Pin, home: Home) -> Found:
    """The engine on PATH if its version is the pinned one, else the one in the cache.

    What nobody publishes by itself is in the cache alone.
    """
    own = cached(pin, home)
    problems = []
    on_path = shutil.which(pin.engine) if pin.release else None
    if not pin.release:
        problems.append("none is built here")
    elif on_path is None:
        problems.append(f"no {pin.engine} on PATH")
    elif not own.exists() or not own.samefile(on_path):
        path = Path(on_path).absolute()
        problem = version_problem(pin, path, home)
        if not problem:
            return Found(pin.engine, pin.version, path, "path")
        problems.append(problem)
    if own.exists():
        problem = version_problem(pin, own, home)
        if not problem:
            return Found(pin.engine, pin.version, own, source_of(own.parents[1]))
        problems.append(problem)
    return Found(pin.engine, pin.version, None, None, "; ".join(problems))


def version_problem(pin: Pin, path: Path, home: Home) -> str:
    """Why the program at ``path`` is not the pinned one; empty when it is."""
    try:
        version = known_version(path, home.engines / "versions.json")
    except ToolchainError as error:
        return str(error)
    return "" if version == pin.version else f"{path} is {version}, not {pin.version}"


def source_of(folder: Path) -> Source:
    """What ``record_source`` wrote; a build when nothing legible is there."""
    try:
        source = (folder / "source").read_text(encoding="utf-8").strip()
    except OSError:
        source = ""
    return cast("Source", source) if source in get_args(Source) else "build"


def record_source(folder: Path, source: Source) -> None:
    """Notes beside an engine in the cache where it came from."""
    (folder / "source").write_text(f"{source}\n", encoding="utf-8")
