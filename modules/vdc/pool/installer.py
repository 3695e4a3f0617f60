"""Installing apps: a small state machine whose every step is recorded before it is taken.

A service that is killed between two steps reads the record at its next start and goes on from
there. The caller's token is gone by then: the rest is done under the service's own, whose
policy permits submitting jobs for just this. The record was written only after the scheduler
had accepted a plan of the very job under the caller's token.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from vdc.client.models import InstallRequest, Progress
from vdc.errors import SchedulerError, VdcError
from vdc.pool.records import AppRecord, AppStore, canonical
from vdc.pool.refusal import RefusalError
from vdc.scheduler.absence import is_away
from vdc.scheduler.outcome import Plan
from vdc.scheduler.variables import ConflictError

if TYPE_CHECKING:
    from vdc.library import Package

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """One installation under way.

    Attributes:
        package: What.
        options: Checked.
        token: For whom; None once the caller is forgotten.
        user: As whom tasks run; None while nothing says.
    """

    package: Package
    options: Mapping[str, Any]
    token: str | None = field(repr=False)
    user: str | None = None


class Stage(Protocol):
    """What installing does to the world. Every method may be called again after a cut."""

    def package(self, name: str) -> Package:
        """A package of the library."""

    async def plan(self, name: str, order: Order) -> tuple[Plan, str]:
        """What the scheduler would do, and the user as whom tasks would run.

        Raises:
            RefusalError: The job does not fit, or the name belongs to something that is no app.
        """

    async def fetch(self, name: str, order: Order) -> None:
        """Makes the package's software available to tasks."""

    async def submit(self, name: str, order: Order) -> int:
        """Registers the job and returns its version."""

    async def settle(self, name: str, order: Order, job_version: int) -> str:
        """Waits until the app is well, which is the empty reason, or has failed."""

    async def stop(self, name: str, token: str) -> None:
        """Stops the job."""

    async def clear(self, name: str, token: str) -> None:
        """Stops the job, waits for its end and makes the scheduler forget it."""

    async def forget(self, name: str) -> None:
        """Removes what was kept for the app beside its job."""

    async def in_touch(self) -> None:
        """Waits until the scheduler answers again."""


class Installer:
    """At most one installation of a name at a time, carried on by one service at a time.

    Args:
        store: The records.
        stage: What installing does.
        announce: Told of every record that is written.
        me: This service among those that share the records.
    """

    def __init__(
        self, store: AppStore, stage: Stage, announce: Callable[[AppRecord], None], me: str = ""
    ) -> None:
        self._me = me
        self._store = store
        self._stage = stage
        self._announce = announce
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.progress: dict[str, Progress] = {}

    async def install(
        self, request: InstallRequest, token: str, *, exists: Callable[[str], bool]
    ) -> AppRecord:
        """Begins an installation, or an update of the options in place.

        The same package with the same options again is a success that changes nothing.

        Args:
            request: What is to be installed; the package's schema checks the options.
            token: The caller's; judged by the scheduler before anything is written.
            exists: Whether the app's job is still there and not stopped.

        Raises:
            PackageError: No such package, or the options do not fit it.
            RefusalError: It is being installed already (409), or does not fit (422).
        """
        name = request.name
        known = self._store.get(name)
        order = self._order(request, known, token)
        if known is not None:
            _require_room(known, request, exists)
        plan, user = await self._stage.plan(name, order)
        order = replace(order, user=user)
        record = AppRecord(
            name, request.package, order.package.version, canonical(order.options),
            "fetching", user=user, holder=self._me, index=known.index if known else 0,
        )  # fmt: skip
        if known is not None and known.is_well_as(record) and exists(name):
            return known
        if known is not None and known.phase == "failed" and not plan.changes:
            # The same job again would change nothing, its failed instances included.
            await self._stage.clear(name, token)
        record = await self._put_first(record)
        self._announce(record)
        self._begin(name, self._drive(record, order))
        return record

    def _order(self, request: InstallRequest, known: AppRecord | None, token: str) -> Order:
        """What is to be installed, checked against the library."""
        package = self._stage.package(request.package)
        if request.version not in (None, package.version):
            raise RefusalError(
                400, f"the library has {request.package} {package.version}, not {request.version}",
                "leave the version out to take that",
            )  # fmt: skip
        user = known.user if known else None
        return Order(package, package.check(request.options), token, user)

    async def _put_first(self, record: AppRecord) -> AppRecord:
        """Writes the record of an installation, unless somebody else has begun one."""
        try:
            return await self._store.put(record)
        except ConflictError as error:
            await self._store.refresh(record.name)
            raise RefusalError(409, f"{record.name} is being installed already") from error

    async def stop(self, name: str, token: str, *, purge: bool) -> None:
        """Stops an app, also in the middle of its installation.

        Raises:
            RefusalError: There is no such app.
        """
        record = self._store.get(name)
        if record is None:
            raise RefusalError(404, f"there is no app {name}", "`vdc apps` lists those there are")
        # First, so that a caller who may not stop it does not end its installation either.
        await self._stage.stop(name, token)
        if task := self._tasks.get(name):
            task.cancel()
            await asyncio.wait([task])
            await self._stage.stop(name, token)
        if purge:
            await self._stage.clear(name, token)
            await self._stage.forget(name)
        # A write that was cut off may have been carried out all the same.
        record = await self._store.refresh(name) or record
        record = replace(record, phase="stopped", reason="")
        if purge:
            await self._store.forget(name)
        else:
            record = await self._store.put(record)
        self._announce(record)

    async def resume(self) -> None:
        """Goes on with whatever of its own was under way when the service ended."""
        for record in self._store.all:
            if record.under_way and record.holder in ("", self._me):
                _LOG.info("going on with the installation of %s (%s)", record.name, record.phase)
                self._begin(record.name, self._resumed(record))

    def orphans(self) -> list[AppRecord]:
        """Installations that are under way, and that other services carry on or should."""
        held = (record for record in self._store.all if record.under_way)
        return [record for record in held if record.holder not in ("", self._me)]

    async def adopt(self, record: AppRecord) -> None:
        """Goes on with an installation whose service is gone, unless another one was first."""
        try:
            taken = await self._store.put(replace(record, holder=self._me))
        except ConflictError:
            return
        _LOG.info("taking over the installation of %s from %s", record.name, record.holder)
        self._begin(record.name, self._resumed(taken))

    async def close(self) -> None:
        """Leaves every installation where it is; the next start goes on with it."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def idle(self) -> None:
        """Returns when nothing is under way."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    # --- one installation --------------------------------------------------------

    def _begin(self, name: str, steps: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(steps, name=f"install {name}")
        self._tasks[name] = task

        def ended(done: asyncio.Task[None]) -> None:
            self._tasks.pop(name, None)
            self.progress.pop(name, None)
            if not done.cancelled() and (error := done.exception()):
                _LOG.error("the installation of %s broke off", name, exc_info=error)

        task.add_done_callback(ended)

    async def _resumed(self, record: AppRecord) -> None:
        try:
            package = self._stage.package(record.package)
            order = Order(package, record.chosen, None, record.user)
        except VdcError as error:
            await self._mark(replace(record, phase="failed", reason=_line(error)))
            return
        await self._drive(record, order)

    async def _drive(self, record: AppRecord, order: Order) -> None:
        while record.under_way:
            try:
                following = await self._step(record, order)
            except SchedulerError as error:
                if is_away(error):
                    await self._stage.in_touch()
                    continue
                following = replace(record, phase="failed", reason=_line(error))
            except (VdcError, OSError) as error:
                following = replace(record, phase="failed", reason=_line(error))
            record = await self._mark(following)

    async def _step(self, record: AppRecord, order: Order) -> AppRecord:
        """Takes the step of the record's phase; returns what is to be recorded next."""
        match record.phase:
            case "fetching":
                await self._stage.fetch(record.name, order)
                return replace(record, phase="submitting")
            case "submitting":
                version = await self._stage.submit(record.name, order)
                return replace(record, phase="deploying", job_version=version)
        reason = await self._stage.settle(record.name, order, record.job_version)
        return replace(record, phase="failed" if reason else "healthy", reason=reason)

    async def _mark(self, changed: AppRecord) -> AppRecord:
        while True:
            try:
                written = await self._store.put(changed)
            except ConflictError:
                # Either our own write whose answer was lost, or somebody else's.
                there = await self._store.refresh(changed.name)
                if there is None or (there.phase, there.holder) != (changed.phase, changed.holder):
                    raise
                written = there
            except SchedulerError as error:
                if not is_away(error):
                    raise
                await self._stage.in_touch()
                continue
            self._announce(written)
            return written


def _require_room(known: AppRecord, request: InstallRequest, exists: Callable[[str], bool]) -> None:
    """The name is free for another installation, or the app is one of the same package."""
    if known.under_way:
        raise RefusalError(409, f"{known.name} is being installed already ({known.phase})")
    if known.package != request.package and exists(known.name):
        raise RefusalError(
            409, f"{known.name} is an app of the package {known.package}", "choose another name"
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
