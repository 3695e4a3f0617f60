"""What belongs to a folder on this machine, or ran in it. For "nothing is left"."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import psutil

from vdc.provider.processes import every

_TELLING = ("VDC_HOME", "NOMAD_ALLOC_DIR")


def processes_of(folder: Path) -> list[psutil.Process]:
    """Live processes that name the folder in an argument, work in it, or have it as their home."""
    own = os.getpid()
    return [
        process
        for process in every()
        if process.pid != own and any(_inside(text, folder) for text in _words(process))
    ]


def mounts_below(folder: Path) -> list[str]:
    """Mount points inside the folder."""
    points = (part.mountpoint for part in psutil.disk_partitions(all=True))
    return [point for point in points if _inside(point, folder)]


def files_below(folder: Path) -> Iterator[Path]:
    """Everything in a folder that is none itself; what goes meanwhile is passed over."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def cgroups_of(work: Collection[str]) -> list[Path]:
    """The control groups of these allocations' tasks, which a killed agent leaves behind."""
    # Others come and go meanwhile, which a walk passes over.
    return [
        Path(folder, name)
        for folder, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.partition(".")[0] in work
    ]


def _inside(text: str, folder: Path) -> bool:
    return text == str(folder) or f"{folder}{os.sep}" in text


def _words(process: psutil.Process) -> Iterator[str]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return
        yield from process.cmdline()
        environment = process.environ()
        yield from (environment.get(name, "") for name in _TELLING)
        yield process.cwd()
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return  # another user's, or just ended
