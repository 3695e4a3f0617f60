"""The real programs that judge user data: cloud-init's own and Ignition's own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from vdc.home import Home
from vdc.toolchain.build import build
from vdc.toolchain.pins import GoBuild, Pin
from vdc.toolchain.progress import reporter

IGNITION = Pin(  # its release is not asked for: there is none for every machine
    engine="ignition",
    version="2.24.0",
    build=GoBuild("ignition", "github.com/coreos/ignition/v2/validate", ldflags="-s -w"),
)


def cloud_init(file: Path) -> str:
    """What ``cloud-init schema`` has against a file; empty when nothing."""
    program = shutil.which("cloud-init")
    if program is None:
        pytest.skip("cloud-init is not on this machine")
    said = subprocess.run(
        [program, "schema", "--config-file", file],
        capture_output=True,
        text=True,
        check=False,
    )
    text = said.stdout + said.stderr
    return "" if said.returncode == 0 and "deprecat" not in text.lower() else text


def ignition_validate(program: Path, file: Path) -> str:
    """What Ignition has against a file, warnings included; empty when nothing."""
    said = subprocess.run([program, file], capture_output=True, text=True, check=False)
    return said.stdout + said.stderr


def ignition_program() -> Path:
    """Ignition's validator at its pin, built once into the user's cache."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go to build Ignition's validator with")
    folder = Home.of_user().engines / IGNITION.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            build(IGNITION, part, reporter())
            part.rename(folder)
    return folder / "bin" / IGNITION.engine
