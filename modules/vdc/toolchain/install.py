"""Obtaining the engines: the first way that works, tried in one order for each."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from vdc.errors import ToolchainError
from vdc.toolchain import build, release, shim
from vdc.toolchain.found import Found, Source, cached, find, record_source
from vdc.toolchain.pins import HOST, PINS, PULUMI, Pin
from vdc.toolchain.versions import running_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vdc.home import Home
    from vdc.toolchain.progress import Reporter


@dataclass(frozen=True)
class _Way:
    """One way of making an engine: puts it into ``bin`` of the folder given, or raises."""

    source: Source
    make: Callable[[Pin, Path, Reporter], None]


_RELEASE, _BUILD = _Way("release", release.fetch), _Way("build", build.build)


def install(home: Home, reporter: Reporter) -> tuple[Found, ...]:
    """Makes sure of every engine and of the language host, and says where each is.

    Idempotent: what is there at its pinned version is left alone. Safe beside another
    installation, and safe to interrupt: an engine appears in the cache whole or not at all.

    Raises:
        ToolchainError: Something could not be obtained; names everything tried, for every
            engine. The others are installed all the same.
    """
    engines: dict[str, Found] = {}
    failures: list[str] = []
    for pin in PINS:
        try:
            engines[pin.engine] = obtain(pin, home, reporter)
        except ToolchainError as error:
            failures.append(str(error))
    if failures:
        raise ToolchainError("\n".join(failures))
    host = shim.official(engines[PULUMI.engine]) or obtain(HOST, home, reporter)
    return (*engines.values(), shim.install(host))


def obtain(pin: Pin, home: Home, reporter: Reporter) -> Found:
    """One engine: found at its pinned version, else from its release, else built.

    Raises:
        ToolchainError: No way worked; names each and why.
    """
    found = find(pin, home)
    if found.ok:
        return found
    with _alone(pin, home, reporter):
        found = find(pin, home)
        return found if found.ok else _make(pin, home, found.problem, reporter)


def _make(pin: Pin, home: Home, problem: str, reporter: Reporter) -> Found:
    """Tries each way; the caller holds the lock of this engine and pin."""
    reporter.say(pin.title, problem)
    tried = [("found here", problem)]
    for way in (_RELEASE, _BUILD) if pin.release else (_BUILD,):
        try:
            with _staging(pin, home) as folder:
                way.make(pin, folder, reporter)
                _check(pin, folder)
                record_source(folder, way.source)
                _publish(folder, cached(pin, home).parents[1])
        except (ToolchainError, OSError) as error:
            tried.append((way.source, str(error)))
            reporter.say(pin.title, f"{way.source}: {error}")
            continue
        return find(pin, home)
    lines = "".join(f"\n  {name}: {reason}" for name, reason in tried)
    raise ToolchainError(f"{pin.title} could not be obtained:{lines}")


def _check(pin: Pin, folder: Path) -> None:
    version = running_version(folder / "bin" / pin.engine)
    if version != pin.version:
        raise ToolchainError(f"what came is {pin.engine} {version}, not {pin.version}; refused")


@contextmanager
def _alone(pin: Pin, home: Home, reporter: Reporter) -> Iterator[None]:
    """Holds the lock of one engine and pin; the system releases it when a process dies."""
    home.engines.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home.engines / f"{pin.folder}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        reporter.say(pin.title, "another vdc is installing it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _staging(pin: Pin, home: Home) -> Iterator[Path]:
    """A folder to make an engine in, on the file system of the cache; gone afterwards.

    Its name is fixed, so that what a killed installation left is cleared by the next one,
    which holds the lock and therefore knows that nobody uses it.
    """
    folder = home.engines / f"{pin.folder}.part"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _publish(folder: Path, final: Path) -> None:
    """Moves a finished engine to its place in one step."""
    if final.exists():  # an engine that did not pass its version check
        shutil.rmtree(final)
    folder.rename(final)
