"""Control groups for labs whose machines have a systemd of their own."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nomad_lab import wait_for


def make(name: str) -> list[Path]:
    """A new control group in every hierarchy of this machine."""
    made = [hierarchy / name for hierarchy in _hierarchies()]
    for group in made:
        group.mkdir()
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # The older form begins with nothing to run on; the newer one inherits.
            if (group / setting).exists() and not (group / "cgroup.controllers").exists():
                (group / setting).write_text((group.parent / setting).read_text())
    return made


def find(name: str) -> list[Path]:
    """What :func:`make` has made under this name, as far as it is still there."""
    return [group for hierarchy in _hierarchies() if (group := hierarchy / name).is_dir()]


def named(pattern: str) -> list[Path]:
    """Every control group whose name is like the pattern, at whatever depth."""
    # Other labs' come and go meanwhile, which a walk passes over.
    return [
        Path(folder, name)
        for top in _hierarchies()
        for folder, names, _ in os.walk(top)
        for name in fnmatch.filter(names, pattern)
    ]


def _hierarchies() -> list[Path]:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [
        Path(mounted)
        for _, mounted, kind, *_ in mounts
        if kind.startswith("cgroup") and os.access(mounted, os.W_OK)
    ]


def entering(groups: Iterable[Path], *command: str) -> list[str]:
    """A command that is carried out inside the groups."""
    enter = "".join(f"echo $$ >{group}/cgroup.procs; " for group in groups)
    return ["sh", "-ec", f'{enter}exec "$@"', "sh", *command]


def remove(groups: Iterable[Path]) -> None:
    """Removes groups with what was made in them, once their processes have ended."""
    for group in groups:
        wait_for(f"the end of {group}", lambda: _removed(group))  # noqa: B023 - called here


def _removed(group: Path) -> bool:
    """The kernel refuses while somebody is there."""
    for folder, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()
    return not group.exists()
