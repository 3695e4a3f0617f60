"""The library, read when it is first needed.

The only part of the service that imports it: that takes as long as all the rest together, and
the time counts until there is a pool. Methods block for a fraction of a second at first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vdc.errors import PackageError

if TYPE_CHECKING:
    from vdc.library import Artifact, Call, Facts, Library
    from vdc.library.artifacts import Progress
    from vdc.library.packing import Archive


class Shelf:
    """Packages that can be installed, and what else the library offers.

    Attributes:
        folders: Where packages lie beside those that come with vdc.
    """

    def __init__(self, folders: tuple[Path, ...], packages_dir: Path) -> None:
        self.folders = folders
        self._packages_dir = packages_dir
        self._library: Library | None = None

    @property
    def library(self) -> Library:
        """The packages.

        Raises:
            PackageError: They have not been read yet.
        """
        if self._library is None:
            raise PackageError("the library has not been read yet; try again in a moment")
        return self._library

    def fill(self) -> None:
        """Reads the packages, anew each time.

        Raises:
            PackageError: A package cannot be used; the text lists every problem.
        """
        from vdc.library import load

        self._library = load(self.folders)

    @property
    def facts(self) -> Facts:
        """Where apps may run: everywhere."""
        from vdc.library import Facts

        return Facts()

    def call(self, run_id: str, program: bytes, args: Sequence[str]) -> Call:
        """One run of an app's command."""
        from vdc.library import Call

        return Call(run_id, program, tuple(args))

    def ensure(self, artifact: Artifact, tell: Callable[[Progress], None]) -> None:
        """Unpacks an artifact unless it is there; blocks for as long as the download takes.

        Raises:
            PackageError: It could not be had as the package wants it.
            OSError: The disk refused.
        """
        from vdc.library.artifacts import ensure

        ensure(artifact, self._packages_dir, tell)

    # --- what is sent by somebody who can fetch it ---------------------------------

    def has(self, artifact: Artifact) -> bool:
        """Whether an artifact is unpacked.

        Raises:
            PackageError: Its folder holds something else.
        """
        from vdc.library.artifacts import there

        return there(artifact, self._packages_dir)

    def received(self, artifact: Artifact) -> int:
        """How many bytes of an artifact's archive have come."""
        from vdc.library.receiving import received

        return received(artifact, self._packages_dir)

    def receive(self, artifact: Artifact, offset: int, content: bytes) -> None:
        """Keeps the next part of an archive.

        Raises:
            PackageError: Something is missing before it.
            OSError: The disk refused.
        """
        from vdc.library.receiving import receive

        receive(artifact, self._packages_dir, offset, content)

    def unpack_received(self, artifact: Artifact) -> None:
        """Unpacks an archive that has come; blocks for as long as that takes.

        Raises:
            PackageError: It is another one than the package wants.
            OSError: The disk refused.
        """
        from vdc.library.receiving import unpack_received

        unpack_received(artifact, self._packages_dir)

    # --- archives, for machines that do not share the folder -----------------------

    def pack(self, artifact: Artifact, tell: Callable[[Progress], None]) -> Archive:
        """The archive of an unpacked artifact; blocks for as long as packing takes.

        Raises:
            OSError: The disk refused.
        """
        from vdc.library.packing import pack

        return pack(artifact, self._packages_dir, tell)

    def packed(self, artifact: Artifact) -> Archive | None:
        """The archive of an artifact if there is one already."""
        from vdc.library.packing import packed

        return packed(artifact, self._packages_dir)

    def archive(self, sha256: str) -> Path:
        """Where the archive of a digest lies, if there is one."""
        from vdc.library.packing import archive_file

        return archive_file(self._packages_dir, sha256)

    def discard(self, folder: str) -> None:
        """Removes the archive of an artifact's folder.

        Raises:
            OSError: The disk refused.
        """
        from vdc.library.packing import discard

        discard(self._packages_dir, folder)


def secrets_path(app: str) -> str:
    """Where an app's or a run's secrets lie in the scheduler's variables."""
    from vdc.library import secrets_path

    return secrets_path(app)
