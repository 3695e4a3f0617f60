"""What a test wants of the lab's AWS, as files in the lab's folder; the server reads them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wishes:
    """The folder, for who wishes and for who fulfils."""

    folder: Path

    def make(self) -> None:
        """Nothing is wished for."""
        (self.folder / "faults").mkdir(parents=True)
        (self.folder / "notices").mkdir()
        self.limit(None)
        self._write("images", "{}")

    @property
    def faults(self) -> Path:
        """See :mod:`labs.cloud_faults`.

        ``where`` is of ``ec2 CreateVpc`` (service and action), or of ``LAUNCH group`` for a
        machine that a group is about to start: ``fail`` is a zone without capacity, ``delay`` one
        that stays pending.
        """
        return self.folder / "faults"

    # --- quota ----------------------------------------------------------------------

    def limit(self, cpus: int | None) -> None:
        """The account may run so many virtual CPUs."""
        self._write("limit", "" if cpus is None else str(cpus))

    @property
    def limited(self) -> int:
        """See :meth:`limit`."""
        return int((self.folder / "limit").read_text() or 100000)

    # --- spot -----------------------------------------------------------------------

    def take_back(self, instance: str, within_s: float) -> None:
        """The market wants a machine: it is told so now, and ended then."""
        self._write(f"notices/{instance}", str(time.time() + within_s))

    def taken_back(self) -> dict[str, float]:
        """When the market ends which machine, in seconds since the epoch."""
        return {it.name: float(it.read_text()) for it in (self.folder / "notices").iterdir()}

    # --- images ---------------------------------------------------------------------

    def publish(self, ami: str, root: Path, parameter: str) -> None:
        """A new image that boots from that file, with its publisher's name for the newest."""
        known = {**self.images(), ami: (str(root), parameter)}
        self._write("images", json.dumps(known))

    def images(self) -> dict[str, tuple[str, str]]:
        """File and parameter by image, the oldest first."""
        found: dict[str, tuple[str, str]] = json.loads((self.folder / "images").read_text())
        return found

    # --- inner ----------------------------------------------------------------------

    def _write(self, wish: str, text: str) -> None:
        """Never half: the server looks whenever it likes."""
        half = self.folder / "half"
        half.write_text(text)
        half.replace(self.folder / wish)
