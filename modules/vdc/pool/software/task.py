"""The task that brings software onto a node, and the jobs that hold it. Pure.

The same task stands in two places. A job of ours runs it once on every node, before the first
app needs it. And every app's job begins with it, so that nothing starts on a node without its
software: not on one that came later, nor on one that was emptied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from vdc.bootstrap import layout
from vdc.pool.standing import standing

TASK = "vdc-software"
"""Name of the task; no package may use it."""
SOFTWARE = "vdc_software"
"""Metadata of the jobs that bring software: the folder that it goes to."""
_CONTENT = "vdc_content"
_PREFIX = "vdc-software-"
_SCRIPT = files("vdc.pool.software").joinpath("software.sh").read_text(encoding="utf-8")
_PLACE = "${NOMAD_TASK_DIR}/software.sh"
# Beside what is counted, file systems want some for themselves.
_SLACK_KIB = 16 * 1024
_RESOURCES = {"CPU": 50, "MemoryMB": 64}

# What the script ends with.
_WORDS = {
    20: "its packages folder holds something else under this name; move it away",
    21: "its disk has not enough room; free some",
    22: "it cannot fetch from the pool service; check its way to the pool's endpoint",
    23: "the pool service has the software no more; install the app again",
    24: "what it fetched has a wrong SHA-256; check what stands between it and the pool service",
    25: "its packages folder cannot be written; check its owner and its disk",
    26: "it lacks curl, flock, gzip, mktemp, sha256sum or tar; install them",
}


@dataclass(frozen=True)
class Parcel:
    """Software as nodes fetch it.

    Attributes:
        name: Of the software, for people.
        folder: Its place in a packages folder, ``name/version``.
        source: Digest of what it was unpacked from, by which a place is known.
        sha256: Digest of the archive.
        kib: Room that archive and content take together.
        endpoints: Where it can be fetched, ``https://host:port``.
    """

    name: str
    folder: str
    source: str
    sha256: str
    kib: int
    endpoints: tuple[str, ...]

    @classmethod
    def of(
        cls, folder: str, source: str, sha256: str, size: int, endpoints: Iterable[str]
    ) -> Parcel:
        """A parcel whose archive and content have ``size`` bytes together."""
        kib = size // 1024 + _SLACK_KIB
        return cls(folder.replace("/", " "), folder, source, sha256, kib, tuple(endpoints))

    @property
    def job(self) -> str:
        """Name of the job that brings it; no app can have it, as a version has a dot."""
        return _PREFIX + self.folder.replace("/", "-")

    @property
    def content(self) -> str:
        """Changes whenever nodes would do something else for it."""
        told = json.dumps([_SCRIPT, self.source, self.sha256, self.kib, self.endpoints])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def bringing(parcel: Parcel, user: str, spread_s: int) -> dict[str, Any]:
    """The job that unpacks a parcel on every node of a work user.

    Args:
        parcel: What.
        user: As whom, and on the nodes of which.
        spread_s: Seconds over which nodes begin.
    """
    job = _everywhere(parcel.job, parcel.folder, _add(parcel, spread_s))
    job["Meta"][_CONTENT] = parcel.content
    return standing(job, user)


def brings(meta: Mapping[str, str], parcel: Parcel) -> bool:
    """Whether a job with this metadata brings just this parcel."""
    return meta.get(_CONTENT) == parcel.content


def removing(job: str, folder: str, source: str, user: str) -> dict[str, Any]:
    """The job that removes software again; of the same name, so that it ends the other."""
    task = _task(["remove", "0", "${meta.packages}", folder, source])
    return standing(_everywhere(job, folder, task), user)


def guarded(job: Mapping[str, Any], parcels: Iterable[Parcel]) -> dict[str, Any]:
    """A job whose tasks start only where the parcels are, and that brings them if need be."""
    tasks = []
    for number, parcel in enumerate(parcels):
        name = TASK if number == 0 else f"{TASK}-{number + 1}"
        tasks.append({**_add(parcel, 0), "Name": name, "Lifecycle": {"Hook": "prestart"}})
    groups = [{**group, "Tasks": [*group["Tasks"], *tasks]} for group in job["TaskGroups"]]
    return {**job, "TaskGroups": groups}


def brings_software(task: str) -> bool:
    """Whether a task of an app is one that brings software."""
    return task.startswith(TASK)


def in_words(exit_code: int | None) -> str:
    """Why software is not on a node; empty when the exit code is not one of the script's."""
    return _WORDS.get(exit_code or 0, "")


def _everywhere(name: str, folder: str, task: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "ID": name,
        "Name": name,
        "Type": "sysbatch",
        "Datacenters": ["*"],
        "Meta": {SOFTWARE: folder},
        "TaskGroups": [
            {
                "Name": "node",
                "Count": 1,
                "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
                "EphemeralDisk": {"SizeMB": 10},
                "Tasks": [{**task, "Name": TASK}],
            }
        ],
    }


def _add(parcel: Parcel, spread_s: int) -> dict[str, Any]:
    words = ["add", str(spread_s), "${meta.packages}", parcel.folder, parcel.source]
    return _task([*words, parcel.sha256, str(parcel.kib), str(layout.CA), *parcel.endpoints])


def _task(words: list[str]) -> dict[str, Any]:
    return {
        "Driver": "raw_exec",
        "Config": {"command": "/bin/sh", "args": [_PLACE, *words]},
        "Templates": [{"EmbeddedTmpl": _SCRIPT, "DestPath": _PLACE, "ChangeMode": "noop"}],
        "Resources": dict(_RESOURCES),
        "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
    }
