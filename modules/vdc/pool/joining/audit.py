"""What nodes asked for and what they got: one line of JSON each, in a file that only grows."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from datetime import datetime
from pathlib import Path

_LOG = logging.getLogger(__name__)


class Audit:
    """Appends to one file of mode 0600."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def write(self, at: datetime, event: str, node: str, source: str, **more: str) -> None:
        """One line. What cannot be written goes to the log instead, and stops nobody."""
        said = {key: value for key, value in more.items() if value}
        entry = {"at": at.isoformat(timespec="milliseconds"), "event": event, "node": node,
                 "source": source, **said}  # fmt: skip
        line = json.dumps(entry)
        try:
            await asyncio.to_thread(self._append, line + "\n")
        except OSError as error:
            _LOG.error("the audit cannot be written (%s): %s", error, line)

    def _append(self, line: str) -> None:
        # One write in append mode, so that lines of two writers never mix.
        descriptor = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
