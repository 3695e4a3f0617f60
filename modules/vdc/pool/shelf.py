"""The library, read when it is first needed: starting the service must not wait for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vdc.errors import PackageError

if TYPE_CHECKING:
    from vdc.library import Library


class Shelf:
    """Packages that can be installed, and where their software is unpacked.

    Attributes:
        packages_dir: The machine's packages folder.
        folders: Where packages lie beside those that come with vdc.
    """

    def __init__(
        self,
        folders: tuple[Path, ...],
        packages_dir: Path,
        load: Callable[[tuple[Path, ...]], Library] | None = None,
    ) -> None:
        self.packages_dir = packages_dir
        self.folders = folders
        self._load = load
        self._library: Library | None = None

    @property
    def library(self) -> Library:
        """The packages.

        Raises:
            PackageError: They have not been read yet.
        """
        if self._library is None:
            raise PackageError("the library is still being read; try again in a moment")
        return self._library

    def fill(self) -> None:
        """Reads the packages, anew each time; blocking, for a fraction of a second.

        Raises:
            PackageError: A package cannot be used; the text lists every problem.
        """
        if self._load is None:
            # A late import: it takes as long as all the rest of the service.
            from vdc.library import load

            self._load = load
        self._library = self._load(self.folders)
