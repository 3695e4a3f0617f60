"""Brings software onto the nodes that do not share the service's folder, and away again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from vdc.client.models import Progress as Shown
from vdc.errors import PackageError, SchedulerError
from vdc.pool.aside import aside
from vdc.pool.shelf import Shelf
from vdc.pool.software.spread import Spread
from vdc.pool.software.task import Parcel, bringing, brings, removing
from vdc.pool.watch import Watch
from vdc.scheduler.client import Nomad
from vdc.scheduler.variables import ConflictError, Variables
from vdc.scheduler.work import Work

if TYPE_CHECKING:
    from vdc.library import Artifact, Package
    from vdc.library.artifacts import Progress

_LOG = logging.getLogger(__name__)
# The scheduler forgets an ended job after hours; what lies on nodes is remembered here.
_PATH = "vdc/software/"
_NODES_PER_S = 100
# A node that says nothing for so long is not waited for.
_STALL_S = 900.0
# Thousands of nodes report one by one; asking takes at most a fifth of the time.
_LOOK_EVERY_S = 0.2
_LOOK_SHARE = 4

Tell = Callable[[Shown], None]


class Software:
    """What lies on the nodes.

    Attributes:
        endpoints: Where nodes reach the service.
    """

    def __init__(
        self, nomad: Nomad, watch: Watch, shelf: Shelf, endpoints: tuple[str, ...]
    ) -> None:
        self._nomad = nomad
        self._work = Work(nomad)
        self._variables = Variables(nomad)
        self._watch = watch
        self._shelf = shelf
        self.endpoints = endpoints
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._removals: dict[str, asyncio.Task[None]] = {}

    def known(self, package: Package) -> list[Parcel]:
        """The parcels of a package, as far as they have been packed."""
        archives = ((a, self._shelf.packed(a)) for a in package.artifacts)
        return [
            Parcel.of(a.folder, a.sha256, packed.sha256, packed.whole, self.endpoints)
            for a, packed in archives
            if packed is not None
        ]

    async def bring(
        self, artifact: Artifact, user: str, packing: Callable[[Progress], None], tell: Tell
    ) -> None:
        """Has an unpacked artifact on every node of a work user; what is there stays.

        Args:
            artifact: Unpacked in the service's own folder.
            user: The work user.
            packing: Told in another thread how far packing is, which happens once.
            tell: Told how many nodes have it.

        Raises:
            PackageError: A node could not get it, or says nothing; the text names it.
            SchedulerError: The scheduler refuses.
            OSError: The service's own disk refused.
        """
        await self._end_removal(artifact.folder)
        async with self._locks[artifact.folder]:
            packed = await aside(lambda: self._shelf.pack(artifact, packing))
            parcel = Parcel.of(
                artifact.folder, artifact.sha256, packed.sha256, packed.whole, self.endpoints
            )
            await self._remember(parcel, user)
            await self._begin(parcel, user)

            def told(spread: Spread) -> None:
                what = f"unpacking {parcel.name} on the nodes"
                tell(Shown(what=what, done=spread.done, total=spread.total, unit="nodes"))

            spread = await self._followed(parcel.job, told)
        if not spread.ended:
            waiting = f"{spread.under_way[0]}: it does not get on" if spread.under_way else ""
            raise PackageError(
                f"{parcel.name} is not on every node; {waiting or 'no node answers'}"
            )
        if spread.failed:
            raise PackageError(f"{parcel.name} is not on every node; {spread.reason}")

    async def held(self) -> bool:
        """Whether anything was ever brought and not removed.

        Raises:
            SchedulerError: The scheduler does not answer.
        """
        return bool(await self._variables.paths(_PATH))

    async def collect(self, wanted: Iterable[str]) -> None:
        """Begins to remove from the nodes whatever is not in one of the wanted folders.

        Raises:
            SchedulerError: The scheduler does not answer.
        """
        kept = set(wanted)
        for path in await self._variables.paths(_PATH):
            held = await self._variables.get(path)
            folder = held.items["folder"] if held else ""
            if held is None or folder in kept or folder in self._removals:
                continue
            source, user = held.items["source"], held.items["user"]
            task = asyncio.create_task(self._remove(path, folder, source, user))
            self._removals[folder] = task
            task.add_done_callback(partial(self._removed, folder))

    async def close(self) -> None:
        """Leaves every removal where it is; the next collection goes on with it."""
        for folder in list(self._removals):
            await self._end_removal(folder)

    # --- steps -------------------------------------------------------------------

    async def _remember(self, parcel: Parcel, user: str) -> None:
        items = {"folder": parcel.folder, "source": parcel.source, "user": user}
        # A variable's path takes no dots, which versions have.
        path = _PATH + hashlib.sha256(parcel.folder.encode()).hexdigest()[:32]
        held = await self._variables.get(path)
        if held is None or held.items != items:
            with suppress(ConflictError):  # another one brings the same
                await self._variables.put(path, items, held.index if held else 0)

    async def _begin(self, parcel: Parcel, user: str) -> None:
        there = await self._work.job(parcel.job)
        if there is not None:
            before = Spread.of((), await self._work.placements(parcel.job))
            if not there.stopped and not before.failed and brings(dict(there.meta), parcel):
                # Nodes that have come since get it as well; on the others nothing runs again.
                await self._work.evaluate(parcel.job)
                return
            await self._work.deregister(parcel.job, purge=True)
        spread_s = len(await self._nomad.node_ids()) // _NODES_PER_S
        await self._work.register(bringing(parcel, user, spread_s))

    async def _followed(self, job: str, tell: Callable[[Spread], None]) -> Spread:
        """Where a job stands when it has ended, or when nothing of it has moved for too long."""
        with self._watch.on(job) as changed:
            moved = time.monotonic()
            last: Spread | None = None
            while True:
                changed.clear()
                begun = time.monotonic()
                evaluations = await self._work.evaluations(job)
                spread = Spread.of(evaluations, await self._work.placements(job))
                took = time.monotonic() - begun
                if spread != last:
                    last, moved = spread, time.monotonic()
                    tell(spread)
                if spread.ended or time.monotonic() - moved > _STALL_S:
                    return spread
                await asyncio.sleep(max(_LOOK_EVERY_S, _LOOK_SHARE * took))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STALL_S):
                        await changed.wait()

    async def _remove(self, path: str, folder: str, source: str, user: str) -> None:
        job = Parcel.of(folder, source, "", 0, ()).job
        try:
            async with self._locks[folder]:
                await self._work.register(removing(job, folder, source, user))
                spread = await self._followed(job, lambda _: None)
                if spread.failed or not spread.ended:
                    _LOG.warning("%s is not removed everywhere: %s", folder, spread.reason)
                    return
                await self._work.deregister(job, purge=True)
                await aside(lambda: self._shelf.discard(folder))
                await self._variables.delete(path)
        except SchedulerError as error:
            _LOG.warning("%s is not removed from the nodes now: %s", folder, error)

    def _removed(self, folder: str, task: asyncio.Task[None]) -> None:
        if self._removals.get(folder) is task:
            del self._removals[folder]

    async def _end_removal(self, folder: str) -> None:
        if task := self._removals.get(folder):
            task.cancel()
            await asyncio.wait([task])
