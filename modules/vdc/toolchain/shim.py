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
from pathlib import Path
from typing import TYPE_CHECKING

from vdc.toolchain.found import Found

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "pulumi-language-python"
_MARK = "# Written by `vdc toolchain install`."


def status(pulumi: Found) -> Found:
    """Which language host runs; makes nothing.

    Args:
        pulumi: The Pulumi CLI as found; the official host comes beside it.
    """
    shim = _place()
    official = _official(pulumi)
    if _read(shim) != _text(official) or not os.access(shim, os.X_OK):
        return Found(NAME, "", None, None, f"no {NAME} of ours in {shim.parent}")
    if official is None:
        return Found(NAME, "", shim, "ours")
    return Found(NAME, "", official, "release" if pulumi.source == "release" else "path")


def install(pulumi: Found) -> Found:
    """Writes the shim for this environment; idempotent, and whole or not at all."""
    if not status(pulumi).ok:
        shim = _place()
        fresh = shim.with_name(f".{NAME}.{os.getpid()}")
        fresh.write_text(_text(_official(pulumi)), encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(shim)
    return status(pulumi)


def _place() -> Path:
    """In the folder of the environment's programs, which `vdc env` puts on PATH."""
    return Path(sysconfig.get_path("scripts")) / NAME


def _text(official: Path | None) -> str:
    # -P: the engine starts the host in the user's folder, whose files must not shadow modules.
    ours = [sys.executable, "-P", "-m", "vdc.toolchain.language_host"]
    command = shlex.join([str(official)] if official else ours)
    return f'#!/bin/sh\n{_MARK}\nexec {command} "$@"\n'


def _read(program: Path) -> str:
    try:
        with program.open(encoding="utf-8", errors="replace") as file:
            return file.read(4096)  # the official host is a binary of many megabytes
    except OSError:
        return ""


def _official(pulumi: Found) -> Path | None:
    """The first host on PATH or beside the Pulumi CLI that is not ours."""
    beside = pulumi.path.resolve().parent if pulumi.path else None
    for folder in (*_search_path(), beside):
        found = shutil.which(NAME, path=str(folder)) if folder else None
        if found and _MARK not in _read(Path(found)):
            return Path(found).absolute()
    return None


def _search_path() -> Iterable[Path]:
    return (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)
