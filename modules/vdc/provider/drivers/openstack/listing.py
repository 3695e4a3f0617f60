"""The servers of a cloud as it lists them: asked once for all who wait, and never in haste."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vdc.errors import NodeError
from vdc.provider.drivers.openstack.marks import Mark
from vdc.provider.drivers.openstack.sdk import LostAnswerError, RefusedError

# Clouds limit the rate of requests, and one that is asked without a pause has no time to work.
EVERY_S = 3.0
# For so long a cloud may fail to list before those who wait are told.
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """A server as the cloud shows it.

    Attributes:
        id: The cloud's own.
        name: What it is called.
        status: In the cloud's words: ``ACTIVE``, ``BUILD``, ``ERROR``, ``SHUTOFF``.
        task: What the cloud is doing with it; empty for nothing.
        created: ISO 8601.
        address: The first fixed address; empty before there is one.
        zone: Where it is.
        fault: Why it is in ``ERROR``.
        mark: None for a server that is not ours.
    """

    id: str
    name: str
    status: str
    task: str
    created: str
    address: str
    zone: str
    fault: str
    mark: Mark | None
    metadata: Mapping[str, str] = field(compare=False)

    @classmethod
    def of(cls, shown: Any) -> Server:
        """From what the SDK gives."""
        metadata = dict(shown.metadata or {})
        return cls(
            id=shown.id,
            name=shown.name,
            status=shown.status or "UNKNOWN",
            task=shown.task_state or "",
            created=shown.created_at or "",
            address=_address(shown.addresses or {}),
            zone=shown.availability_zone or "",
            fault=" ".join(str((shown.fault or {}).get("message", "")).split()),
            mark=Mark.read(metadata),
            metadata=metadata,
        )

    @property
    def leaving(self) -> bool:
        """Whether the cloud is taking it away, or already says that it is gone."""
        return self.status in ("DELETED", "SOFT_DELETED") or "deleting" in self.task


def _address(networks: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    every = [entry for entries in networks.values() for entry in entries]
    fixed = [entry for entry in every if entry.get("OS-EXT-IPS:type", "fixed") == "fixed"]
    # IPv4 first: that is what people look for.
    fixed.sort(key=lambda entry: entry.get("version", 4))
    return str(fixed[0]["addr"]) if fixed else ""


class Listing:
    """One list at a time for everybody who wants to know, at most every few seconds.

    Args:
        read: Gives all servers; blocks.
        every_s: Least time between the end of one list and the begin of the next.
    """

    def __init__(self, read: Callable[[], Sequence[Server]], every_s: float = EVERY_S) -> None:
        self._read = read
        self._every_s = every_s
        self._next: asyncio.Task[Sequence[Server]] | None = None
        self._reading = asyncio.Lock()
        self._not_before = 0.0

    async def fresh(self) -> Sequence[Server]:
        """All servers as of a moment after this call.

        Raises:
            NodeError: The cloud does not say, for two minutes already.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._list())
        return await asyncio.shield(self._next)

    async def _list(self) -> Sequence[Server]:
        async with self._reading:
            deadline = time.monotonic() + _PATIENCE_S
            while True:
                await asyncio.sleep(self._not_before - time.monotonic())
                self._next = None  # who asks from here on wants to know of a later moment
                began = time.monotonic()
                try:
                    return await asyncio.to_thread(self._read)
                except NodeError as error:
                    passing = isinstance(error, LostAnswerError) or (
                        isinstance(error, RefusedError) and error.status in (429, 503)
                    )
                    if not passing or time.monotonic() > deadline:
                        raise
                finally:
                    # A list that takes long is asked for less often.
                    took = time.monotonic() - began
                    self._not_before = time.monotonic() + max(self._every_s, took)
