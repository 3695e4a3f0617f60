"""Software that packages need, unpacked once per machine and version.

Tasks read it where it lies; nothing is copied per task. A folder is there as a whole or not
at all: it is filled beside its place and moved there in one step.
"""

from __future__ import annotations

import compileall
import json
import py_compile
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from vdc.errors import PackageError
from vdc.library import pip
from vdc.library.parts import Artifact
from vdc.library.unpack import unpack

# Says what lies in a folder, so that another artifact of the same name is noticed.
_RECEIPT = ".vdc-artifact.json"


@dataclass(frozen=True)
class Progress:
    """How far an artifact is.

    Attributes:
        stage: What is being done: ``waiting for``, ``fetching``, ``checking`` or ``unpacking``.
        done: Bytes of the archive dealt with in this stage.
        total: Bytes of the archive; None when nobody knows.
    """

    stage: str
    done: int
    total: int | None


def ensure(
    artifact: Artifact,
    packages_dir: Path,
    progress: Callable[[Progress], None] = lambda _: None,
    archive: Path | None = None,
) -> Path:
    """The folder of an artifact, fetched and unpacked when it is not there yet.

    Blocking, for as long as the download takes; at once when the folder is there. Safe to call
    from any number of processes and to kill at any moment: the next call clears what a killed
    one left and begins anew.

    Args:
        artifact: What is wanted.
        packages_dir: The machine's packages folder; made when missing.
        progress: Told about every step, several times a second while bytes move.
        archive: What it is unpacked from, its sum found right; else it is fetched.

    Raises:
        PackageError: It could not be fetched, its checksum is wrong, it does not hold what it
            should, or the folder holds something else.
        OSError: The disk refused.
    """
    folder = packages_dir / artifact.folder
    if _holds(folder, artifact):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    progress(Progress("waiting for", 0, artifact.size or None))
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if _holds(folder, artifact):
            return folder
        beginning = f".{folder.name}.part-"
        for leftover in folder.parent.glob(f"{beginning}*"):
            # Under the lock: whoever made it is dead. What cannot be removed is in nobody's way.
            shutil.rmtree(leftover, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=beginning, dir=folder.parent))
        try:
            _fill(artifact, work, archive, progress)
            (work / "tree").rename(folder)
        finally:
            shutil.rmtree(work)
    return folder


def there(artifact: Artifact, packages_dir: Path) -> bool:
    """Whether an artifact is unpacked.

    Raises:
        PackageError: Its folder holds something else.
    """
    return _holds(packages_dir / artifact.folder, artifact)


def _fill(
    artifact: Artifact, work: Path, archive: Path | None, progress: Callable[[Progress], None]
) -> None:
    total = artifact.size or None

    def fetching(done: int) -> None:
        stage = "checking" if done == total else "fetching"
        progress(Progress(stage, done, total))

    if archive is None:
        archive = pip.download(artifact.pypi, artifact.sha256, work / "download", fetching)
    size = archive.stat().st_size
    tree = work / "tree"
    unpack(
        archive,
        tree,
        artifact.copies,
        artifact.skip,
        lambda done: progress(Progress("unpacking", done, size)),
    )
    # Tasks may not write here, so what Python would keep beside its sources is made now.
    compileall.compile_dir(
        tree, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    receipt = {"pypi": artifact.pypi, "sha256": artifact.sha256}
    (tree / _RECEIPT).write_text(json.dumps(receipt) + "\n", encoding="utf-8")


def _holds(folder: Path, artifact: Artifact) -> bool:
    # Looked at first: one that somebody moves there now comes with its receipt.
    stands = folder.exists()
    try:
        receipt = json.loads((folder / _RECEIPT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if stands:
            raise PackageError(f"{folder} is there and was not made by vdc; move it away") from None
        return False
    if receipt.get("sha256") != artifact.sha256:
        raise PackageError(
            f"{folder} holds {receipt.get('pypi')} with another checksum; delete the folder, "
            "or give one of the packages another version"
        )
    return True
