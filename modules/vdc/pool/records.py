"""What was installed, kept in the scheduler's own store so that it outlives the service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vdc.scheduler.variables import Variable, Variables

_PREFIX = "vdc/apps/"
UNDER_WAY = ("fetching", "submitting", "deploying")


@dataclass(frozen=True)
class AppRecord:
    """One app as it was asked for, and how far it has come.

    Attributes:
        options: Canonical JSON text of the checked options.
        phase: One of :data:`UNDER_WAY`, ``healthy``, ``failed`` or ``stopped``.
        reason: Why it failed, one line.
        job_version: The version of the job that is rolled out; counts from ``deploying`` on.
        user: As whom its tasks run; empty for whoever runs the agents.
        holder: The service that carries the installation on, ``https://host:port``.
        index: What the next check-and-set must name; 0 for a record never written.
    """

    name: str
    package: str
    version: str
    options: str
    phase: str
    reason: str = ""
    job_version: int = 0
    user: str = ""
    holder: str = ""
    index: int = 0

    @property
    def under_way(self) -> bool:
        """Whether an installation has begun and not ended."""
        return self.phase in UNDER_WAY

    @property
    def chosen(self) -> dict[str, Any]:
        """The options, decoded."""
        decoded: dict[str, Any] = json.loads(self.options)
        return decoded

    def is_well_as(self, wanted: AppRecord) -> bool:
        """Whether it is healthy, and just what is wanted."""
        asked = (wanted.package, wanted.version, wanted.options)
        return self.phase == "healthy" and (self.package, self.version, self.options) == asked


def canonical(options: Mapping[str, Any]) -> str:
    """Options as text that is equal when they are."""
    return json.dumps(options, sort_keys=True, separators=(",", ":"))


class AppStore:
    """Records by name, mirrored in memory; every write is a check-and-set.

    Methods that write raise :class:`~vdc.scheduler.variables.ConflictError` when somebody else
    was first, and :class:`~vdc.errors.SchedulerError`.
    """

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        self._records: dict[str, AppRecord] = {}

    async def load(self) -> None:
        """Reads every record."""
        paths = await self._variables.paths(_PREFIX)
        found = [await self._variables.get(path) for path in paths]
        records = [_record(variable) for variable in found if variable is not None]
        self._records = {record.name: record for record in records}

    @property
    def all(self) -> list[AppRecord]:
        """Every record, by name."""
        return [self._records[name] for name in sorted(self._records)]

    def get(self, name: str) -> AppRecord | None:
        """One record."""
        return self._records.get(name)

    async def put(self, record: AppRecord) -> AppRecord:
        """Writes a record over the one whose index it carries."""
        items = {
            "package": record.package,
            "version": record.version,
            "options": record.options,
            "phase": record.phase,
            "reason": record.reason,
            "job_version": str(record.job_version),
            "user": record.user,
            "holder": record.holder,
        }
        written = await self._variables.put(_PREFIX + record.name, items, record.index)
        kept = replace(record, index=written.index)
        self._records[record.name] = kept
        return kept

    async def refresh(self, name: str) -> AppRecord | None:
        """Reads one record anew."""
        variable = await self._variables.get(_PREFIX + name)
        if variable is None:
            self._records.pop(name, None)
            return None
        known = self._records.get(name)
        if known is None or known.index < variable.index:  # ours may have been written meanwhile
            self._records[name] = _record(variable)
        return self._records[name]

    async def changed(self, index: int, wait_s: int) -> tuple[dict[str, AppRecord | None], int]:
        """Waits for changes since ``index``, other services' as well, and takes them over.

        Returns:
            Each record that is not as it was known, None for one that is gone, and the index to
            wait from next.
        """
        found, index = await self._variables.changed(_PREFIX, index, wait_s)
        there = {path.removeprefix(_PREFIX): number for path, number in found.items()}
        news = [name for name, number in there.items() if self._is_news(name, number)]
        gone = [name for name in self._records if name not in there]
        return {name: await self.refresh(name) for name in (*news, *gone)}, index

    def _is_news(self, name: str, index: int) -> bool:
        known = self._records.get(name)
        return known is None or known.index < index

    async def forget(self, name: str) -> None:
        """Removes a record."""
        await self._variables.delete(_PREFIX + name)
        self._records.pop(name, None)


def _record(variable: Variable) -> AppRecord:
    items = variable.items
    return AppRecord(
        name=variable.path.removeprefix(_PREFIX),
        package=items.get("package", ""),
        version=items.get("version", ""),
        options=items.get("options", "{}"),
        phase=items.get("phase", "failed"),
        reason=items.get("reason", ""),
        job_version=int(items.get("job_version") or 0),
        user=items.get("user", ""),
        holder=items.get("holder", ""),
        index=variable.index,
    )
