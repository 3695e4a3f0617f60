"""Control groups for labs whose machines have a systemd of their own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from nomad_lab import wait_for


def make(name: str) -> list[Path]:
    """A new control group in every hierarchy of this machine."""
    made = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, mounted, kind, *_ = line.split()
        if not kind.startswith("cgroup") or not os.access(mounted, os.W_OK):
            continue
        group = Path(mounted) / name
        group.mkdir()
        made.append(group)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if kind == "cgroup" and (group / setting).exists():
                (group / setting).write_text((group.parent / setting).read_text())
    return made


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
