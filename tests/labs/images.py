"""The machine image of the labs, built once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vdc.home import Home

RECIPE = Path(__file__).with_name("image")
_UNUSED_DAYS = 14


@dataclass(frozen=True)
class Image:
    """What one build made.

    Attributes:
        disk: qcow2 of a disk with a boot loader, for QEMU.
        root: qcow2 of an ext4 file system for containers, 2 GiB like the disk.
    """

    disk: Path
    root: Path


def machine_image() -> Image:
    """The image of the recipe as it is now: Debian 12; built in about 90 s if it is not there."""
    folder = Home.of_user().cache / "labs"
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / f"image-{_recipe_sum()[:16]}"
    with FileLock(folder / "image.lock"):
        if not built.exists():
            _build(built)
        built.touch()
        for other in folder.glob("image-*"):
            if time.time() - other.stat().st_mtime > _UNUSED_DAYS * 86400:
                shutil.rmtree(other)
    return Image(built / "machine.qcow2", built / "container.qcow2")


def variant(root: Path, files: Mapping[str, str], made: Path) -> Path:
    """A container's image with other content: files by path, over what is there.

    Args:
        root: ``Image.root``, or another variant.
        files: Text by absolute path.
        made: Where the variant goes.

    Returns:
        ``made``.
    """
    with tempfile.TemporaryDirectory(dir=made.parent) as folder:
        raw, tree = Path(folder, "raw"), Path(folder, "tree")
        for path, text in files.items():
            place = tree / path.removeprefix("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        _convert("raw", root, raw)
        # A mount that goes with the process, whatever becomes of this one.
        put = f"mount -o loop {raw} /mnt && cp -rT --no-preserve=mode {tree} /mnt"
        words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", put)
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
        _convert("qcow2", raw, made)
    return made


def _convert(form: str, source: Path, made: Path) -> None:
    words = ("qemu-img", "convert", "-O", form, source, made)
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


def sha256(path: Path) -> str:
    """The SHA-256 sum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _recipe_sum() -> str:
    whole = hashlib.sha256()
    for path in sorted(path for path in RECIPE.rglob("*") if path.is_file()):
        whole.update(f"{path.relative_to(RECIPE)} {sha256(path)}\n".encode())
    return whole.hexdigest()


def _build(built: Path) -> None:
    """Under another name until it is whole."""
    half = built.with_name("half-built")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    print("==> Building the labs' machine image, about 90 s", flush=True)
    log = half / "build.log"
    with log.open("wb") as said:
        words = (RECIPE / "build.sh", half)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    if done.returncode:
        raise AssertionError(f"the image is not built: {log.read_text()[-2000:]}")
    half.rename(built)
