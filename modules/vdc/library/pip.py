"""Pinned distributions from the user's package index, by the machine's own pip.

Which index that is, through which proxy and with which certificates, is pip's configuration
and nobody else's business.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from vdc.errors import PackageError
from vdc.library import tethered

# pip tells nobody else how far it is, so its growing file is looked at.
_LOOK_EVERY_S = 0.25


def download(pinned: str, sha256: str, folder: Path, progress: Callable[[int], None]) -> Path:
    """Downloads one distribution without what it depends on.

    pip checks the sum before anything else touches the archive. Of a source distribution it
    then runs the set-up script, for the metadata that it insists on.

    Args:
        pinned: ``name==version``.
        sha256: The only sum that is accepted.
        folder: Made here; holds everything that pip writes, temporary files too.
        progress: Told how many bytes are there, several times a second.

    Raises:
        PackageError: pip is missing or failed; the text is pip's own.
    """
    folder.mkdir()
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{pinned} --hash=sha256:{sha256}\n", encoding="utf-8")
    scratch, target = folder / "tmp", folder / "archive"
    scratch.mkdir()
    command = [
        sys.executable, "-P", tethered.__file__, "pip", "download",
        "--disable-pip-version-check", "--no-input", "--progress-bar=off",
        "--no-cache-dir",  # the unpacked folder is the cache
        "--no-deps", "--require-hashes",
        "--dest", str(target), "--requirement", str(requirements),
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(scratch)}
    log = folder / "pip.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment
        ) as process,
    ):
        try:
            most = 0
            while _running(process):
                most = max(most, _bytes_in(scratch))  # the finished file moves away
                progress(most)
        finally:
            process.kill()  # no effect on one that has ended
    if process.returncode != 0:
        raise PackageError(f"{pinned} could not be fetched: {_reason(log)}")
    (archive,) = target.iterdir()
    return archive


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_LOOK_EVERY_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _bytes_in(folder: Path) -> int:
    """Of the largest file: the archive is the only large one, and pip names its folder."""
    sizes = [0]
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append((Path(place) / name).stat().st_size)
            except FileNotFoundError:
                continue  # pip has just moved it
    return max(sizes)


def _reason(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    said = [line for line in lines if line]
    if any("DO NOT MATCH THE HASHES" in line for line in said):
        got = next((line for line in said if line.startswith("Got")), "")
        return f"its checksum is not the pinned one ({' '.join(got.split())})"
    errors = [line for line in said if line.startswith("ERROR:")]
    return (errors or said or ["pip said nothing"])[-1].removeprefix("ERROR:").strip()
