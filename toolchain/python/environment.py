"""Makes ``.venv`` from its locks, or takes it from the user's cache, where one of them is kept.

``python3 toolchain/python/environment.py FOLDER LOCK...``, in the checkout: environments are kept
in the folder, and the first lock is that of the installer, uv. Installing and compiling takes a
minute or two, which a second checkout need not spend again: an environment is kept whole, by the
sum of its locks and of its interpreter, and a checkout gets hard links to its files. Needs nothing
but the standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_PLACE = Path(".venv")
_STAMP = ".kept"
# Of the lab's SDKs one has thousands of modules, of which a run imports a dozen.
_NOT_COMPILED = "/pulumi_aws/"
_UNUSED_S = 30 * 24 * 3600


def key(locks: Sequence[Path]) -> str:
    """The name of the environment of these locks and this interpreter."""
    interpreter = (sys.version, os.path.realpath(sys.base_exec_prefix), os.uname().machine)
    whole = b"\0".join((repr(interpreter).encode(), *(lock.read_bytes() for lock in locks)))
    return hashlib.sha256(whole).hexdigest()[:16]


def take(kept: Path, place: Path) -> None:
    """Puts an environment at ``place``, whole or not at all; what was there before is removed."""
    fresh, stale = (place.with_name(f"{place.name}.{word}") for word in ("new", "old"))
    for left in (fresh, stale):
        shutil.rmtree(left, ignore_errors=True)
    own = shutil.ignore_patterns(_STAMP)
    shutil.copytree(kept, fresh, symlinks=True, copy_function=_link, ignore=own)
    for script in (fresh / "bin").iterdir():
        _move(script, kept, place)
    if place.exists():
        place.rename(stale)
    fresh.rename(place)
    shutil.rmtree(stale, ignore_errors=True)


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
    return target


def _move(script: Path, kept: Path, place: Path) -> None:
    """Has a script name the environment that it lies in, and not the one that it was made in."""
    if script.is_symlink():
        return
    text = script.read_bytes()
    made_in = os.fsencode(kept)
    if made_in in text and b"\0" not in text:
        fresh = script.with_name(f".{script.name}")
        shutil.copy(script, fresh)  # its mode; the content would be the kept one's too
        fresh.write_bytes(text.replace(made_in, os.fsencode(place.absolute())))
        fresh.replace(script)


def keep(folder: Path, locks: Sequence[Path]) -> Path:
    """The environment of these locks in the folder, made when there is none yet.

    Raises:
        subprocess.CalledProcessError: It could not be made; the installer has said why.
    """
    kept = folder.absolute() / key(locks)
    folder.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the system releases that of a process that died
        if not (kept / _STAMP).exists():
            _make(locks, kept)
        (kept / _STAMP).touch()
    return kept


def _make(locks: Sequence[Path], kept: Path) -> None:
    """Makes it where it will stay, since scripts name their interpreter."""
    *before, last = locks
    python = kept / "bin/python"
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    if len(before) > 1:
        take(keep(kept.parent, before), kept)
    else:
        shutil.rmtree(kept, ignore_errors=True)
        _run(sys.executable, "-m", "venv", kept)
        _run(*pip, "--require-hashes", "-r", before[0])
    try:
        # uv takes seconds where pip takes minutes; pip comes after it where only pip's own
        # configuration names the package index.
        uv = (kept / "bin/uv", "pip", "install", "--quiet", "--system-certs", "--python", python)
        _run(*uv, "--require-hashes", "-r", last)
    except subprocess.CalledProcessError:
        _run(*pip, "--require-hashes", "-r", last)
    _run(python, "-m", "compileall", "-q", "-j", "0", "-x", _NOT_COMPILED, kept / "lib")


def _run(*words: str | Path) -> None:
    subprocess.run(words, check=True)


def _forget_unused(folder: Path) -> None:
    """Removes what no checkout has taken for a month."""
    for stamp in folder.glob(f"*/{_STAMP}"):
        if time.time() - stamp.stat().st_mtime > _UNUSED_S:
            shutil.rmtree(stamp.parent, ignore_errors=True)


def main() -> None:
    """Makes or takes the environment, and installs this checkout into it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("locks", nargs="+", type=Path)
    asked = parser.parse_args()
    kept = keep(asked.folder, asked.locks)
    take(kept, _PLACE)
    _forget_unused(kept.parent)
    uv = (_PLACE / "bin/uv", "pip", "install", "--quiet", "--python", _PLACE / "bin/python")
    _run(*uv, "--no-deps", "--no-build-isolation", "--editable", ".")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"the environment could not be made: {error}")
