"""Services that share the pool: what they record is seen, what they cannot finish is finished."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx

from vdc.errors import PackageError, SchedulerError
from vdc.pool.installer import Installer
from vdc.pool.records import AppRecord, AppStore
from vdc.scheduler.access import Access

_WATCH_S = 300
# A scheduler that is away offers no event.
_KNOCK_S = 0.5
# A service that is started anew goes on by itself; one that is silent for so long does not.
_LOOK_EVERY_S = 5.0
_LOOKS = 4


class Others:
    """Keeps the records true, and takes over installations of services that have gone.

    Two services that both believe it is theirs do no harm: each of their steps can be taken
    twice, and the record lets only one of them take the next.

    Args:
        apps: The records, mirrored here.
        installer: Carries installations on.
        announce: Told of every record that another service has changed.
        prepare: Readies what going on with an installation needs.
        answers: Whether the service at ``https://host:port`` lives.
    """

    def __init__(
        self,
        apps: AppStore,
        installer: Installer,
        announce: Callable[[AppRecord], None],
        prepare: Callable[[], Awaitable[object]],
        answers: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._apps = apps
        self._installer = installer
        self._announce = announce
        self._prepare = prepare
        self._answers = answers

    async def run(self) -> None:
        """Works for ever, once the records have been read."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._look_after())

    async def _follow(self) -> None:
        index = 0
        while True:
            before = {record.name: record for record in self._apps.all}
            try:
                changed, index = await self._apps.changed(index, _WATCH_S)
            except SchedulerError:
                index = 0
                await asyncio.sleep(_KNOCK_S)
                continue
            for name, record in changed.items():
                if told := record or before.get(name):
                    self._announce(told)

    async def _look_after(self) -> None:
        silent: Counter[str] = Counter()
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            orphans = self._installer.orphans()
            for holder in {record.holder for record in orphans}:
                silent[holder] = 0 if await self._answers(holder) else silent[holder] + 1
            for record in orphans:
                if silent[record.holder] >= _LOOKS:
                    with contextlib.suppress(PackageError):  # the installation says what it lacks
                        await self._prepare()
                    with contextlib.suppress(SchedulerError):  # the next look does it
                        await self._installer.adopt(record)


def caller(access: Access) -> Callable[[str], Awaitable[bool]]:
    """Asks services of this data centre whether they live."""

    async def answers(address: str) -> bool:
        try:
            async with httpx.AsyncClient(verify=access.tls(), trust_env=False, timeout=5) as http:
                return (await http.get(f"{address}/healthz")).is_success
        except httpx.HTTPError:
            return False

    return answers
