"""Engines built from their pinned Go modules, for machines that reach only a module proxy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from vdc.errors import ToolchainError
from vdc.toolchain.pins import PINS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vdc.toolchain.pins import Pin
    from vdc.toolchain.progress import Reporter

# What would change the result. How Go reaches modules and where it keeps them stays the user's.
_DROPPED = {
    "CGO_CFLAGS",
    "CGO_CPPFLAGS",
    "CGO_CXXFLAGS",
    "CGO_LDFLAGS",
    "GO111MODULE",
    "GOAMD64",
    "GOARCH",
    "GOARM64",
    "GOBIN",
    "GOEXPERIMENT",
    "GOFIPS140",
    "GOOS",
}


def build(pin: Pin, folder: Path, reporter: Reporter) -> None:
    """Builds the engine into ``folder/bin``; minutes when Go's own cache is cold.

    Modules are those of ``go.sum``; nothing in the module folder is written. The output of a
    build that failed is left beside ``folder``.

    Raises:
        ToolchainError: No Go, no module folder, or the build failed; the text carries the
            line of its output that says why, and where the others are.
    """
    go = shutil.which("go")
    if go is None:
        raise ToolchainError("no go on PATH; install Go to build it here")
    if not (pin.module / "go.sum").is_file():
        raise ToolchainError(f"no pinned module in {pin.module}; run from a checkout of vdc")
    reporter.say(pin.title, "building from its Go modules, some minutes the first time")
    log = folder.with_name(f"{pin.folder}.build.log")
    with reporter.build(pin.title) as show, _fetching_the_next(go, pin, folder.parent):
        for line in _run(_command(go, pin, folder), pin.module, log):
            show(line)
    log.unlink()


def _command(go: str, pin: Pin, folder: Path) -> list[str]:
    """The build, with each package named as it is compiled (``-v``)."""
    ldflags = pin.build.ldflags.format(version=pin.version)
    output = ["-o", str(folder / "bin" / pin.engine)]
    # Without what debuggers read, which the linker would leave out: a tenth less work.
    options = ["-trimpath", "-v", "-gcflags=all=-dwarf=false", "-ldflags", ldflags, *output]
    return [go, "build", *_modules(pin), *options, pin.build.package]


def _modules(pin: Pin) -> list[str]:
    """What decides which modules are needed."""
    return ["-mod=readonly", *(["-tags", pin.build.tags] if pin.build.tags else [])]


@contextmanager
def _fetching_the_next(go: str, pin: Pin, engines: Path) -> Iterator[None]:
    """Downloads the modules of the engine that is likely to be built next, meanwhile.

    Compiling waits for no network, and a download for no processor. Whether it succeeds is for that
    build to say.
    """
    following = PINS[PINS.index(pin) + 1 :] if pin in PINS else ()
    missing = [
        other
        for other in following
        if not (shutil.which(other.engine) or (engines / other.folder).exists())
    ]
    with ExitStack() as stack:
        for other in missing[:1]:
            process = subprocess.Popen(
                [go, "list", *_modules(other), "-deps", other.build.package],
                cwd=other.module,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.enter_context(process)
            stack.callback(process.terminate)
        yield


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    # Said, not left out: `go env -w` would otherwise speak for them.
    return kept | {"GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


def _run(command: list[str], folder: Path, log: Path) -> Iterator[str]:
    """Yields the lines of the output.

    Raises:
        ToolchainError: The command failed.
    """
    tail: deque[str] = deque(maxlen=40)
    with (
        log.open("w", encoding="utf-8") as copy,
        subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                copy.write(line)
                tail.append(line.strip())
                yield line.strip()
        except BaseException:
            process.send_signal(signal.SIGINT)  # Go then removes its work folder
            raise
    if process.returncode:
        raise ToolchainError(f"go build failed: {_telling(tail)} (all of it: {log})")


def _telling(tail: deque[str]) -> str:
    """The line that says why: the last one that is not just the name of a package."""
    return next((line for line in reversed(tail) if " " in line), "it said nothing")
