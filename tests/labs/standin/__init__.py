"""Stand-ins for ``pulumi-resource-aws`` and ``pulumi-resource-openstack``.

The real plugins cannot be had where only package registries are reached. A stand-in takes only
what the installed SDK of the same cloud declares and what the cloud's own definitions allow, and
carries out the few types that our components use, against the real API.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

CLOUDS = ("aws", "openstack")


def plugins(folder: Path) -> Path:
    """Makes the executables of all stand-ins in a folder, which belongs on PATH; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    tests = Path(__file__).parents[2]
    path = shlex.quote(f"{tests}:{tests.parent / 'modules'}")
    for cloud in CLOUDS:
        file = folder / f"pulumi-resource-{cloud}"
        start = f"{shlex.quote(sys.executable)} -m labs.standin {cloud}"
        file.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {start} "$@"\n')
        file.chmod(0o755)
    return folder
