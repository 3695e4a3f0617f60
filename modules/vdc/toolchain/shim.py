"""The language host in the place where the engine looks for it: the official one, or ours.

``Pulumi.yaml`` names the environment's folder of programs for it, so a small shell program
always stands there; which host it starts is what differs.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vdc.standby.meeting import ADDRESS
from vdc.toolchain.found import Found, Source
from vdc.toolchain.pins import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = HOST.engine
_MARK = "# Written by `vdc toolchain install`."
# What an engine starts, in the order in which it does.
_AWAITED = ("vdc.toolchain.runner", "vdc.provider.begin")


def official(pulumi: Found) -> Found | None:
    """The first host on PATH or beside the Pulumi CLI that is not this module's.

    Its version is not asked for.

    Args:
        pulumi: The Pulumi CLI as found; the official host comes beside it.
    """
    beside = pulumi.path.resolve().parent if pulumi.path else None
    for folder in (*_search_path(), beside):
        found = shutil.which(NAME, path=str(folder)) if folder else None
        if found and _MARK not in _read(Path(found)):
            source: Source = "release" if pulumi.source == "release" else "path"
            return Found(NAME, "", Path(found).absolute(), source)
    return None


def status(host: Found) -> Found:
    """The host that runs, or why none does; makes nothing.

    Args:
        host: The one that is to run.
    """
    shim = _place()
    if host.path and (_read(shim) != _text(host) or not os.access(shim, os.X_OK)):
        return replace(host, path=None, source=None, problem=f"no {NAME} of ours in {shim.parent}")
    return host


def install(host: Found) -> Found:
    """Writes the shim for this environment; idempotent, and whole or not at all."""
    if not status(host).ok:
        shim = _place()
        fresh = shim.with_name(f".{NAME}.{os.getpid()}")
        fresh.write_text(_text(host), encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(shim)
    return status(host)


def _place() -> Path:
    """In the folder of the environment's programs, which `vdc env` puts on PATH."""
    return Path(sysconfig.get_path("scripts")) / NAME


def _text(host: Found) -> str:
    # Ours is told its interpreter; the official one learns it from the project's file.
    command = shlex.join([str(host.path), *([sys.executable] if host.source == "build" else ())])
    standby = shlex.join([sys.executable, "-P", "-u", "-m", "vdc.standby.serve"])
    return (
        f"#!/bin/sh\n{_MARK}\n"
        # Once, though an engine starts two hosts; and in a session of its own, for the engine ends
        # all of a plugin's group.
        f"( (grep -qF @{ADDRESS}-$PPID- /proc/net/unix ||\n"
        f"    exec setsid {standby} $PPID {' '.join(_AWAITED)}) </dev/null >/dev/null 2>&1 &)\n"
        f'exec {command} "$@"\n'
    )


def _read(program: Path) -> str:
    try:
        with program.open(encoding="utf-8", errors="replace") as file:
            return file.read(4096)  # the official host is a binary of many megabytes
    except OSError:
        return ""


def _search_path() -> Iterable[Path]:
    return (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)
