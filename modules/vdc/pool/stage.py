"""What installing an app does to the world: library, scheduler, the app's own answers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import httpx

from vdc.client.models import Progress as Shown
from vdc.errors import SchedulerError
from vdc.pool.aside import aside
from vdc.pool.follower import Follower
from vdc.pool.installer import Order
from vdc.pool.readmodel import APP
from vdc.pool.refusal import RefusalError
from vdc.pool.shelf import Shelf, secrets_path
from vdc.pool.software.rollout import Software
from vdc.pool.software.spread import lacks
from vdc.pool.software.task import guarded
from vdc.pool.standing import Standing, standing
from vdc.pool.watch import Watch
from vdc.pool.words import last_line, shortages_in_words
from vdc.scheduler.client import Nomad
from vdc.scheduler.outcome import Job, Plan
from vdc.scheduler.variables import ConflictError, Variables
from vdc.scheduler.verdict import Verdict, verdict
from vdc.scheduler.work import Work

if TYPE_CHECKING:
    from vdc.library import Artifact, Package
    from vdc.library.artifacts import Progress

_DEPLOY_S = 900.0
_HEALTH_S = 300.0
_PICTURE_S = 10.0
_END_S = 40.0
# An app's own answers offer no event.
_ASK_AGAIN_S = 0.5
_ANSWER_S = 5.0
_TOLD_EVERY_S = 0.2
_STDERR_BYTES = 4096


class PoolStage:
    """The real :class:`~vdc.pool.installer.Stage`."""

    def __init__(
        self,
        nomad: Nomad,
        follower: Follower,
        watch: Watch,
        shelf: Shelf,
        software: Software,
        sorts: Standing,
    ) -> None:
        self._nomad = nomad
        self._work = Work(nomad)
        self._variables = Variables(nomad)
        self._follower = follower
        self._watch = watch
        self._shelf = shelf
        self._software = software
        self._sorts = sorts
        self.on_progress: Callable[[str, Shown], None] = lambda _name, _progress: None

    def package(self, name: str) -> Package:
        """A package of the library; the shelf must have been filled."""
        return self._shelf.library.get(name)

    async def plan(self, name: str, order: Order) -> tuple[Plan, str]:
        """Asks the scheduler, as the caller, where the job fits; best where it stands already."""
        work = Work(self._nomad, order.token)
        there = await self._work.job(name)
        if there is not None and there.fact(APP) != name:
            raise RefusalError(409, f"{name} is a job that is no app", "choose another name")
        raw = await self._job(work, name, order)
        plan = None
        for user in await self._sorts.users(order.user):
            tried = await work.plan(self._placed(raw, order.package, user))
            if not tried.shortages:
                return tried, user
            plan = plan or tried
        shortages = plan.shortages if plan else ()
        groups = Job.of(raw).groups
        words = shortages_in_words(shortages, groups, self._follower.model.most_free())
        raise RefusalError(
            422,
            f"{name} does not fit: {words}",
            "ask for less, stop something, or enlarge a group; `vdc pool` shows what is free",
        )

    async def fetch(self, name: str, order: Order) -> None:
        """Unpacks the package's artifacts, one after another, wherever the app may run."""
        loop = asyncio.get_running_loop()
        for artifact in order.package.artifacts:
            told = 0.0

            def tell(progress: Progress, what: str = artifact.name) -> None:
                nonlocal told
                if time.monotonic() - told >= _TOLD_EVERY_S:
                    told = time.monotonic()
                    shown = Shown(
                        what=f"{progress.stage} {what}", done=progress.done, total=progress.total
                    )
                    loop.call_soon_threadsafe(self.on_progress, name, shown)

            def work(artifact: Artifact = artifact) -> None:
                self._shelf.ensure(artifact, tell)

            await aside(work)
            if order.user:
                await self._software.bring(
                    artifact, order.user, tell, lambda shown: self.on_progress(name, shown)
                )

    async def submit(self, name: str, order: Order) -> int:
        """Makes the app's secrets if there are none, registers its job, returns the version."""
        work = Work(self._nomad, order.token)
        if order.package.secrets:
            values = {key: secrets.token_urlsafe(32) for key in order.package.secrets}
            # A running app goes on with the secrets it has.
            with contextlib.suppress(ConflictError):
                await self._variables.put(secrets_path(name), values, 0)
        raw = await self._job(work, name, order)
        await work.register(self._placed(raw, order.package, order.user or ""))
        job = await self._work.job(name)
        if job is None:
            raise SchedulerError(f"{name} was removed while it was being installed", 404)
        return job.version

    async def settle(self, name: str, order: Order, job_version: int) -> str:
        """Waits for the rollout, the service checks and the package's own health."""
        said = Verdict("waiting")
        try:
            async with asyncio.timeout(_DEPLOY_S):
                with self._watch.on(name) as changed:
                    while said.state == "waiting":
                        changed.clear()
                        said = await self._judge(name, job_version)
                        if said.state == "waiting":
                            await changed.wait()
        except TimeoutError:
            return f"not deployed after {_DEPLOY_S:.0f} s: {said.reason}"
        if said.state == "failed":
            return await self._explained(said, order.token)
        reason = await self._well(name, order, job_version)
        # The picture is a moment behind; whoever is told "healthy" shall see it healthy.
        await self._watch.until(name, lambda: self._pictured(name), _PICTURE_S)
        return reason

    async def stop(self, name: str, token: str) -> None:
        """Stops the job; a moment later its tasks have ended."""
        await Work(self._nomad, token).deregister(name, purge=False)
        await self._watch.until(name, lambda: not self._runs(name), _PICTURE_S)

    async def clear(self, name: str, token: str) -> None:
        """Waits for the tasks' end before the job is forgotten.

        The scheduler forgets allocations with their job, also those that are still ending:
        without the wait their resources would be given to others too early.
        """
        await self.stop(name, token)
        with self._watch.on(name) as changed, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                while not all(p.ended for p in await self._work.placements(name)):
                    await changed.wait()
                    changed.clear()
        await Work(self._nomad, token).deregister(name, purge=True)
        await self._watch.until(name, lambda: name not in self._follower.model.jobs, _PICTURE_S)

    async def forget(self, name: str) -> None:
        """Removes the app's secrets."""
        await self._variables.delete(secrets_path(name))

    async def in_touch(self) -> None:
        """Waits for the follower, and a moment: a server may answer one call and not the next."""
        await asyncio.sleep(_ASK_AGAIN_S)
        await self._follower.in_touch()

    # --- judging -----------------------------------------------------------------

    async def _judge(self, name: str, job_version: int) -> Verdict:
        evaluations = await self._work.evaluations(name)
        job = await self._work.job(name)
        deployments = await self._work.deployments(name)
        placements = await self._work.placements(name)
        return verdict(job_version, job, evaluations, deployments, placements)

    async def _well(self, name: str, order: Order, job_version: int) -> str:
        missing = ""
        deadline = time.monotonic() + _HEALTH_S
        # It asks over plain HTTP. By itself httpx would first read all that this machine trusts,
        # a tenth of a second in which nobody else is answered.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with httpx.AsyncClient(verify=nobody, trust_env=False, timeout=_ANSWER_S) as http:
            while time.monotonic() < deadline:
                missing = await self._unmet(http, name, order)
                if not missing:
                    return ""
                with self._watch.on(name) as changed:
                    try:
                        async with asyncio.timeout(_ASK_AGAIN_S):
                            await changed.wait()
                    except TimeoutError:
                        continue
                said = await self._judge(name, job_version)
                if said.state == "failed":
                    return await self._explained(said, order.token)
        return f"it runs but is not well after {_HEALTH_S:.0f} s: {missing}"

    async def _unmet(self, http: httpx.AsyncClient, name: str, order: Order) -> str:
        """What is still missing to health, empty when nothing is."""
        for placement in await self._work.placements(name):
            if placement.desired_status == "run" and placement.client_status == "running":
                failing = await self._work.failing_checks(placement.id)
                if failing:
                    return f"the check {failing[0]} does not pass"
        services = await self._work.services(name) if order.package.health else []
        for check in order.package.health:
            endpoint = next(e for e in order.package.endpoints if e.name == check.endpoint)
            addresses = [s for s in services if s.service == endpoint.service(name)]
            if not addresses:
                return f"the endpoint {endpoint.name} is not there"
            url = f"http://{addresses[0].address}:{addresses[0].port}{check.path}"
            try:
                response = await http.get(url)
                answer: Any = response.json() if check.field else None
            except (httpx.HTTPError, ValueError) as error:
                return f"{check.endpoint}{check.path}: {error or type(error).__name__}"
            if not response.is_success:
                return f"{check.endpoint}{check.path} answers {response.status_code}"
            if not check.met(answer, order.options):
                expected = check.expected(order.options)
                return f"{check.endpoint}{check.path} does not yet say {check.field}={expected}"
        return ""

    async def _explained(self, said: Verdict, token: str | None) -> str:
        """The reason, with the last thing that the guilty task wrote, if the caller may read it."""
        culprit = said.culprit
        task = culprit.guilty if culprit else None
        if culprit is None or task is None or not task.started:
            return said.reason
        if missing := lacks(culprit):
            return missing
        if token is None:
            return said.reason
        work = Work(self._nomad, token)
        try:
            text = await work.log_tail(culprit.id, task.name, "stderr", _STDERR_BYTES)
        except SchedulerError:
            return said.reason
        line = last_line(text)
        return f"{said.reason}: {line}" if line else said.reason

    # --- helpers -----------------------------------------------------------------

    async def _job(self, work: Work, name: str, order: Order) -> dict[str, Any]:
        rendered = order.package.render(name, order.options, self._shelf.facts)
        raw = await work.parse(rendered.hcl, rendered.variables)
        if raw["ID"] != name:
            raise RefusalError(422, f"the package {order.package.name} names its job {raw['ID']}")
        # Options stay out of the job: a change of its metadata would restart every task.
        raw["Meta"] = {
            **(raw.get("Meta") or {}),
            APP: name,
            "vdc_package": order.package.name,
            "vdc_version": order.package.version,
        }
        return raw

    def _placed(self, raw: Mapping[str, Any], package: Package, user: str) -> dict[str, Any]:
        parcels = self._software.known(package) if user else ()
        return standing(guarded(raw, parcels), user)

    def _runs(self, name: str) -> bool:
        job = self._follower.model.jobs.get(name)
        return job is not None and not job.stopped

    def _pictured(self, name: str) -> bool:
        model = self._follower.model
        job = model.jobs.get(name)
        if job is None or job.type in {"batch", "sysbatch"}:
            return job is not None
        return sum(model.running(name, group.name) for group in job.groups) >= job.desired
