"""The scheduler agent's program on this machine, and for which machines it is."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from vdc.errors import ToolchainError

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""What ``uname -m`` says, to the name that bundles go by."""


def architecture() -> str:
    """This machine's."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def agent_program(arch: str = "") -> Path:
    """The program on PATH, to run here or on machines of an architecture.

    Raises:
        ToolchainError: There is none, or it is for other machines.
    """
    found = shutil.which("nomad")
    if found is None:
        raise ToolchainError(
            'nomad is not on PATH; run `vdc toolchain install`, then `eval "$(vdc env)"`'
        )
    if arch and arch != architecture():
        raise ToolchainError(
            f"nodes are {arch} and nomad on PATH is for {architecture()}; run this from a "
            "machine of their architecture"
        )
    return Path(found)
