"""The version of a program, by running it, remembered for as long as its file stays the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vdc.errors import ToolchainError

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = re.compile(r"\bv?(\d+\.\d+\.\d+\S*)")
_ANSWER_SECONDS = 20


def running_version(path: Path) -> str:
    """The version that a program says it is, by running it.

    Raises:
        ToolchainError: It does not start, fails or names no version.
    """
    # Little of the caller's environment: engines read many variables of their own.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    try:
        answer = subprocess.run(
            [path, "version"],
            env=kept | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise ToolchainError(f"{path} failed with exit code {error.returncode}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or f"no answer in {_ANSWER_SECONDS} s"
        raise ToolchainError(f"{path} does not run ({reason})") from error
    match = _VERSION.search(answer.stdout)
    if match is None:
        raise ToolchainError(f"{path} does not say its version")
    return match.group(1)


@dataclass(frozen=True)
class _Checked:
    """A version that was read by running a program, and the file it was true of."""

    modified: int
    size: int
    version: str


def known_version(path: Path, memory: Path) -> str:
    """``running_version``, run again only when the program's file has changed.

    Args:
        path: The program.
        memory: File that holds the answers; made, and made again, as needed.

    Raises:
        ToolchainError: As ``running_version``.
    """
    if not _decides(path):
        return running_version(path)
    status = path.stat()
    known = _recall(memory)
    before = known.get(str(path))
    if before and (before.modified, before.size) == (status.st_mtime_ns, status.st_size):
        return before.version
    version = running_version(path)
    known[str(path)] = _Checked(status.st_mtime_ns, status.st_size, version)
    _remember(memory, known)
    return version


def _decides(path: Path) -> bool:
    """Whether the file alone decides the version.

    The shims of version managers (a script, or a link to a program of another name) answer
    with whatever their own settings say at that moment.
    """
    resolved = path.resolve()
    try:
        with resolved.open("rb") as program:
            return resolved.name == path.name and program.read(2) != b"#!"
    except OSError:
        return False


def _recall(memory: Path) -> dict[str, _Checked]:
    try:
        stored: dict[str, Any] = json.loads(memory.read_text(encoding="utf-8"))
        return {path: _Checked(**fields) for path, fields in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # only a cache: what is not legible is checked again


def _remember(memory: Path, known: dict[str, _Checked]) -> None:
    text = json.dumps({path: asdict(checked) for path, checked in known.items()})
    fresh = memory.with_name(f"{memory.name}.{os.getpid()}")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(memory)
    except OSError:
        return  # a cache that cannot be written costs time, not truth
