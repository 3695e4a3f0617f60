"""Runs: commands that are carried out once, as batch jobs of their own."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from vdc.client.models import Run, RunRequest, SubmitRequest
from vdc.plan.model import Size
from vdc.pool import views
from vdc.pool.config import label_key
from vdc.pool.follower import Follower
from vdc.pool.handover import Handover
from vdc.pool.readmodel import RUN, ReadModel, state_of
from vdc.pool.records import AppRecord
from vdc.pool.refusal import RefusalError
from vdc.pool.shelf import Shelf
from vdc.pool.software.rollout import Software
from vdc.pool.software.task import guarded
from vdc.pool.standing import Standing, standing
from vdc.pool.watch import Watch
from vdc.pool.words import shortages_in_words
from vdc.scheduler.client import Nomad
from vdc.scheduler.outcome import Job, Plan
from vdc.scheduler.work import Work

PREFIX = "run-"
_PICTURE_S = 10.0


class Runs:
    """Starts runs as the caller, and tells how they fare from the picture."""

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
        self._follower = follower
        self._watch = watch
        self._shelf = shelf
        self._software = software
        self._sorts = sorts
        self._handover = Handover(nomad, self._lasts)

    async def start(self, request: RunRequest, token: str) -> Run:
        """Runs a command.

        Raises:
            RefusalError: No node could ever take it.
        """
        users = await self._sorts.users()
        return await self._submit(job_of(new_id(), request), Work(self._nomad, token), users)

    async def submit(self, record: AppRecord, request: SubmitRequest, token: str) -> Run:
        """Runs one of an app's commands.

        Raises:
            PackageError: No such command or example, or the program is too big.
            RefusalError: The app is not up, or the request is not one program.
        """
        if views.app_status(record, self._follower.model) not in {"healthy", "degraded"}:
            raise RefusalError(
                409, f"{record.name} is not up", f"`vdc apps {record.name}` says why"
            )
        package = self._shelf.library.get(record.package)
        program = _program(request)
        if request.example is not None and request.command in package.commands:
            program = package.commands[request.command].example(request.example)
        run_id = new_id()
        rendered = package.render_command(
            request.command,
            record.name,
            self._shelf.call(run_id, program, request.args),
            record.chosen,
            self._shelf.facts,
        )
        work = Work(self._nomad, token)
        raw = await work.parse(rendered.hcl, rendered.variables)
        said = [request.command, request.example or "-", *request.args]
        raw["ID"] = run_id
        raw["Meta"] = {**(raw.get("Meta") or {}), **_meta(said), views.RUN_APP: record.name}
        if record.user:
            raw = guarded(raw, self._software.known(package))
        return await self._submit(raw, work, [record.user], record.name if package.secrets else "")

    def all(self) -> list[Run]:
        """Every run that the scheduler remembers, newest first."""
        jobs = sorted(self._follower.model.run_jobs(), key=lambda job: -job.submit_time)
        return [self._view(job) for job in jobs]

    def get(self, run_id: str) -> Run:
        """One run.

        Raises:
            RefusalError: There is none of this id.
        """
        job = self._follower.model.jobs.get(run_id)
        if job is None or not job.fact(RUN):
            raise RefusalError(404, f"there is no run {run_id}", "`vdc run` lists those there are")
        return self._view(job)

    async def stop(self, run_id: str, token: str) -> None:
        """Stops a run; one that has ended is no error."""
        self.get(run_id)
        await Work(self._nomad, token).deregister(run_id, purge=False)

    def _lasts(self, run_id: str) -> bool:
        job = self._follower.model.jobs.get(run_id)
        return job is not None and not self._view(job).ended

    def _view(self, job: Job) -> Run:
        return views.run(job, self._follower.model.run_placement(job.id))

    async def _fitting(
        self, raw: Mapping[str, Any], work: Work, users: Sequence[str]
    ) -> dict[str, Any]:
        """The job as the first user as whom it fits now, or else would once other work ends."""
        job, model = Job.of(raw), self._follower.model
        plans = []
        for user in users:
            plans.append(await work.plan(standing(raw, user)))
            if not plans[-1].shortages:
                return standing(raw, user)
        for user, plan in zip(users, plans, strict=True):
            if may_fit_later(job, plan, model):
                return standing(raw, user)
        words = shortages_in_words(plans[0].shortages, job.groups, model.most_free())
        raise RefusalError(422, f"it fits on no node: {words}", "`vdc nodes` shows them all")

    async def _submit(
        self, raw: Mapping[str, Any], work: Work, users: Sequence[str], secrets_of: str = ""
    ) -> Run:
        # The plan comes first: with it the scheduler judges whether the caller may run this.
        raw = await self._fitting(raw, work, users)
        job = Job.of(raw)
        try:
            if secrets_of:
                await self._handover.clear(PREFIX)
                await self._handover.give(secrets_of, job.id)
            await work.register(raw)
            # The picture is a moment behind; whoever asks next shall find the run.
            await self._watch.until(job.id, lambda: job.id in self._follower.model.jobs, _PICTURE_S)
        finally:
            self._handover.begun(job.id)
        return self._view(self._follower.model.jobs.get(job.id, job))


def new_id() -> str:
    """The name of a run; short enough to type, never met twice."""
    return PREFIX + secrets.token_hex(5)


def may_fit_later(job: Job, plan: Plan, model: ReadModel) -> bool:
    """Whether it fits, or would on a node that is ready now once other work has ended."""
    if not plan.shortages:
        return True
    # Nothing is exhausted: no node suits it, and none will by waiting.
    if not all(shortage.dimensions for shortage in plan.shortages):
        return False
    sizes = [
        Size(node.cpu_mhz, node.memory_mib, node.disk_mib)
        for node in model.nodes.values()
        if state_of(node) == "ready"
    ]
    needs = [Size(group.cpu_mhz, group.memory_mib, group.disk_mib) for group in job.groups]
    return all(any(_covers(size, need) for size in sizes) for need in needs)


def _covers(whole: Size, part: Size) -> bool:
    return (
        whole.cpu_mhz >= part.cpu_mhz
        and whole.memory_mib >= part.memory_mib
        and whole.disk_mib >= part.disk_mib
    )


def _program(request: SubmitRequest) -> bytes:
    if (request.program is None) == (request.example is None):
        raise RefusalError(400, "give either a program or the name of an example, not both")
    try:
        return base64.b64decode(request.program or "", validate=True)
    except binascii.Error as error:
        raise RefusalError(400, f"program: not base64 ({error})") from error


def _meta(command: list[str]) -> dict[str, str]:
    return {RUN: "1", views.RUN_COMMAND: json.dumps(command)}


def job_of(run_id: str, request: RunRequest) -> dict[str, Any]:
    """The job of a command: tried once, on one node, with no shell in between."""
    wanted = {f"${{meta.{label_key(key)}}}": value for key, value in request.labels.items()}
    if request.group is not None:
        wanted["${node.class}"] = request.group
    return {
        "ID": run_id,
        "Name": run_id,
        "Type": "batch",
        "Datacenters": [request.site or "*"],
        "Meta": _meta(list(request.command)),
        "Constraints": [
            {"LTarget": left, "Operand": "=", "RTarget": right} for left, right in wanted.items()
        ],
        "TaskGroups": [
            {
                "Name": "run",
                "Count": 1,
                "RestartPolicy": {"Attempts": 0, "Mode": "fail"},
                "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
                "EphemeralDisk": {"SizeMB": 100},
                "Tasks": [
                    {
                        "Name": "run",
                        "Driver": "raw_exec",
                        "Config": {
                            "command": literal(request.command[0]),
                            "args": [literal(arg) for arg in request.command[1:]],
                        },
                        "Env": dict(request.env),
                        "Resources": {"CPU": request.cpu_mhz, "MemoryMB": request.memory_mib},
                        "LogConfig": {"MaxFiles": 2, "MaxFileSizeMB": 20},
                    }
                ],
            }
        ],
    }


def literal(text: str) -> str:
    """Text that the scheduler's agent hands on as it is, with nothing filled in."""
    return text.replace("${", "$${").replace("%{", "%%{")
