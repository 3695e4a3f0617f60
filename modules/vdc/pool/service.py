"""Everything that the service is made of, put together once, and its life from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from vdc.client.models import App, Endpoint, Event, Progress
from vdc.errors import PackageError, SchedulerError, StackError
from vdc.pool import views
from vdc.pool.aside import aside
from vdc.pool.auth import Gate
from vdc.pool.config import PoolConfig
from vdc.pool.declared import Declared
from vdc.pool.facts import NodeFacts
from vdc.pool.follower import Follower
from vdc.pool.hub import Hub
from vdc.pool.installer import Installer
from vdc.pool.joining.desk import Desk
from vdc.pool.logs import Logs
from vdc.pool.others import Others, caller
from vdc.pool.readmodel import RUN, ReadModel
from vdc.pool.records import AppRecord, AppStore
from vdc.pool.refusal import RefusalError
from vdc.pool.runs import Runs
from vdc.pool.shelf import Shelf
from vdc.pool.software.rollout import Software
from vdc.pool.stage import PoolStage
from vdc.pool.standing import Standing
from vdc.pool.watch import Watch
from vdc.scheduler.access import Access
from vdc.scheduler.client import Nomad
from vdc.scheduler.login import Login
from vdc.scheduler.variables import Variables
from vdc.scheduler.work import Work

if TYPE_CHECKING:
    from vdc.library import Library

_LOG = logging.getLogger(__name__)
_READY_S = 10.0


class Service:
    """The parts, by name; :meth:`running` gives them life."""

    def __init__(self, config: PoolConfig) -> None:
        files = config.scheduler
        self.config = config
        access = Access(files.addresses, files.ca_file, files.cert_file, files.key_file)
        self.nomad = Nomad(access, Login(config.key_file))
        self.hub = Hub()
        self.watch = Watch(self.hub)
        self.facts = NodeFacts(self.nomad, config.groups)
        self.follower = Follower(self.nomad, self.watch, self.facts)
        self.gate = Gate(self.nomad, lambda: self.follower.stale)
        self.declared = Declared(self.nomad, self.declare)
        self.shelf = Shelf(config.library, config.packages_dir)
        self.apps = AppStore(Variables(self.nomad))
        self.desk = (
            Desk(config.join, files.ca_file.read_text(), self.nomad) if config.join else None
        )
        self.software = Software(self.nomad, self.watch, self.shelf, config.endpoints)
        sorts = Standing(self.nomad)
        self.stage = PoolStage(
            self.nomad, self.follower, self.watch, self.shelf, self.software, sorts
        )
        self.installer = Installer(self.apps, self.stage, self._announce, config.address)
        self.others = Others(
            self.apps, self.installer, self._announce, self.library, caller(access)
        )
        self.runs = Runs(self.nomad, self.follower, self.watch, self.shelf, self.software, sorts)
        self.watch.describe = self._describe
        self.stage.on_progress = self._progress
        self._loaded = asyncio.Event()
        self._filling = asyncio.Lock()
        self._filled = False
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows the scheduler while the block runs; installations are left where they are."""
        for part in (
            self.follower.run(),
            self.facts.run(),
            self.declared.run(),
            self._take_up(),
        ):
            self._start(part)
        try:
            yield
        finally:
            await self.installer.close()
            await self.software.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.nomad.__aexit__()

    def declare(self, raw: Mapping[str, Any]) -> None:
        """Takes what the stack declares; nothing starts anew.

        Raises:
            StackError: It cannot be used, and nothing of it is.
        """
        try:
            config = self.config.declaring(raw)
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            raise StackError(
                f"what the stack declares is damaged ({error}); run `vdc up`"
            ) from error
        self.config = config
        self.facts.declare(config.groups)
        self.shelf.folders = config.library
        self.software.endpoints = config.endpoints
        self._filled = False
        self._start(self._sweep())

    # --- asked by the routes -----------------------------------------------------

    @property
    def model(self) -> ReadModel:
        """The picture of the pool."""
        return self.follower.model

    async def met(self) -> None:
        """Waits a little, once in the service's life, until the scheduler has been heard."""
        if self.follower.as_of is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_READY_S):
                    await self.follower.in_touch()

    async def changeable(self) -> None:
        """Passes while the scheduler is in touch.

        Raises:
            RefusalError: 503; it is not, so nothing can be changed.
        """
        await self.met()
        if self.follower.stale:
            raise RefusalError(
                503,
                "the scheduler does not answer, so nothing can be changed now",
                "try again; `vdc status` says whether it is back",
            )

    async def library(self) -> Library:
        """The packages, read when they are first asked for.

        Raises:
            PackageError: A package of a configured folder cannot be used.
        """
        async with self._filling:
            if not self._filled:
                await aside(self.shelf.fill)
                self._filled = True
        return self.shelf.library

    async def record(self, name: str) -> AppRecord:
        """The record of one app.

        Raises:
            RefusalError: There is none.
        """
        await self.ready()
        record = self.apps.get(name)
        if record is None:
            raise RefusalError(404, f"there is no app {name}", "`vdc apps` lists those there are")
        return record

    async def ready(self) -> None:
        """Waits for the records of the apps, which are read once at start.

        Raises:
            RefusalError: 503; the scheduler has not answered since then.
        """
        try:
            async with asyncio.timeout(_READY_S):
                await self._loaded.wait()
        except TimeoutError:
            await self.changeable()
            raise RefusalError(
                503, "the records of the apps cannot be read yet", "the service's log says why"
            ) from None

    def app(self, record: AppRecord, endpoints: list[Endpoint] | None = None) -> App:
        """One app as the API says it."""
        progress = self.installer.progress.get(record.name)
        return views.app(record, self.model, progress, endpoints or ())

    def app_runs(self, name: str) -> bool:
        """Whether an app's job is there and not stopped."""
        job = self.model.jobs.get(name)
        return job is not None and not job.stopped

    async def endpoints(self, record: AppRecord, token: str) -> list[Endpoint]:
        """Where an app answers now, as far as the caller may know; none while nobody can say."""
        if self.follower.stale:
            return []
        try:
            package = (await self.library()).get(record.package)
        except PackageError:
            return []  # installed from a folder that is configured no more, or is broken now
        services = await Work(self.nomad, token).services(record.name)
        return views.app_endpoints(record.name, package, services)

    def logs(self, token: str) -> Logs:
        """Output of tasks, read as the caller."""
        return Logs(Work(self.nomad, token), self.watch, self.gate)

    # --- parts of its life -------------------------------------------------------

    def _start(self, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(part)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        # A service that only seems to live would be worse than none.
        _LOG.error("a part of the service broke; ending", exc_info=error)
        signal.raise_signal(signal.SIGTERM)

    async def _take_up(self) -> None:
        while True:
            await self.follower.in_touch()
            try:
                await self.apps.load()
            except SchedulerError as error:
                _LOG.warning("the records of the apps cannot be read: %s", error)
                await self.stage.in_touch()
                continue
            break
        self._loaded.set()
        if any(record.under_way for record in self.apps.all):
            with contextlib.suppress(PackageError):  # each installation says what it lacks
                await self.library()
            await self.installer.resume()
        await self._tidy()
        await self.others.run()

    async def _tidy(self) -> None:
        """Removes from the nodes what no app needs any more."""
        try:
            if not await self.software.held():
                return
            library = await self.library()
            packages = [library.get(record.package) for record in self.apps.all]
            await self.software.collect(a.folder for p in packages for a in p.artifacts)
        except (SchedulerError, PackageError) as error:
            _LOG.warning("software that nobody needs stays on the nodes for now: %s", error)

    async def _sweep(self) -> None:
        with contextlib.suppress(SchedulerError):  # the next listing does it
            await self.facts.sweep()

    # --- told to listeners -------------------------------------------------------

    def _describe(self, job_id: str) -> Event | None:
        """A job's state as an event: of an app, of a run, or of nothing that we show."""
        if record := self.apps.get(job_id):
            state = views.app_status(record, self.model)
            return Event(kind="app", name=job_id, state=state, reason=record.reason)
        job = self.model.jobs.get(job_id)
        if job is None or not job.fact(RUN):
            return None
        run = views.run(job, self.model.run_placement(job_id))
        return Event(kind="run", name=job_id, state=run.state, reason=run.reason)

    def _announce(self, record: AppRecord) -> None:
        if self.apps.get(record.name) is None:
            self.watch.forget("app", record.name)
            self.watch.tell(Event(kind="app", name=record.name, state="gone"))
            self.watch.forget("app", record.name)
            self._start(self._tidy())
        else:
            self.installer.progress.pop(record.name, None)
            self.watch.job_changed(record.name)

    def _progress(self, name: str, progress: Progress) -> None:
        self.installer.progress[name] = progress
        self.hub.publish(Event(kind="app", name=name, state="fetching", progress=progress))
