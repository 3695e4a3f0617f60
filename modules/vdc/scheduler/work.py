"""Work on the scheduler, done for one caller: jobs, their placements, deployments and logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from vdc.errors import SchedulerError
from vdc.scheduler.client import Nomad
from vdc.scheduler.outcome import (
    Deployment,
    Evaluation,
    Job,
    Placement,
    Plan,
    ServiceAddress,
)

_LOG_CHUNK = 64 * 1024


class Work:
    """Acts under ``token``; without one, under the connection's own.

    Every method raises :class:`~vdc.errors.SchedulerError`; status 403 is the scheduler's own
    judgement of the caller.
    """

    def __init__(self, nomad: Nomad, token: str | None = None) -> None:
        self._nomad = nomad
        self._token = token

    async def _json(self, method: str, path: str, **options: Any) -> Any:
        return await self._nomad.json(method, path, token=self._token, **options)

    async def parse(self, hcl: str, variables: str) -> dict[str, Any]:
        """A job specification with its variables filled in, as the API's JSON."""
        body = {"JobHCL": hcl, "Variables": variables, "Canonicalize": True}
        job: dict[str, Any] = await self._json("POST", "/v1/jobs/parse", body=body)
        return job

    async def plan(self, job: Mapping[str, Any]) -> Plan:
        """What the scheduler would do with a job, without doing it."""
        body = {"Job": job, "Diff": True}
        return Plan.of(await self._json("POST", f"/v1/job/{job['ID']}/plan", body=body))

    async def register(self, job: Mapping[str, Any]) -> None:
        """Submits a job. The same job again changes nothing."""
        await self._json("POST", "/v1/jobs", body={"Job": job})

    async def evaluate(self, job_id: str) -> None:
        """Has the scheduler look at a job again, for nodes that have come since."""
        await self._json("POST", f"/v1/job/{job_id}/evaluate", body={"JobID": job_id})

    async def deregister(self, job_id: str, *, purge: bool) -> None:
        """Stops a job; with ``purge`` the servers forget it. An unknown job is no error."""
        await self._nomad.deregister(job_id, purge=purge, token=self._token)

    async def scale(self, job_id: str, group: str, count: int, why: str) -> None:
        """Changes the count of one task group; ``why`` is kept in the job's history."""
        body = {"Count": count, "Target": {"Group": group}, "Message": why}
        await self._json("POST", f"/v1/job/{job_id}/scale", body=body)

    async def job(self, job_id: str) -> Job | None:
        """The job as registered, None when there is none."""
        try:
            return Job.of(await self._json("GET", f"/v1/job/{job_id}"))
        except SchedulerError as error:
            if error.status == 404:
                return None
            raise

    async def placements(self, job_id: str) -> list[Placement]:
        """Every allocation of a job that the servers still know, newest first."""
        raws = await self._json("GET", f"/v1/job/{job_id}/allocations")
        found = [Placement.of(raw) for raw in raws or []]
        return sorted(found, key=lambda placement: -placement.create_index)

    async def deployments(self, job_id: str) -> list[Deployment]:
        """Rollouts of a job that the servers still know."""
        raws = await self._json("GET", f"/v1/job/{job_id}/deployments")
        return [Deployment.of(raw) for raw in raws or []]

    async def evaluations(self, job_id: str) -> list[Evaluation]:
        """What the scheduler still has to decide, or has decided, about a job."""
        raws = await self._json("GET", f"/v1/job/{job_id}/evaluations")
        return [Evaluation.of(raw) for raw in raws or []]

    async def services(self, job_id: str) -> list[ServiceAddress]:
        """Where the job's services listen now, by name and address; an unknown job has none."""
        try:
            raws = await self._json("GET", f"/v1/job/{job_id}/services")
        except SchedulerError as error:
            if error.status == 404:
                return []
            raise
        return sorted(ServiceAddress.of(raw) for raw in raws or [])

    async def failing_checks(self, placement_id: str) -> list[str]:
        """Names of the service checks of one allocation that do not pass now."""
        raws = await self._json("GET", f"/v1/client/allocation/{placement_id}/checks")
        return sorted(
            str(raw.get("Check", "")) for raw in (raws or {}).values() if raw["Status"] != "success"
        )

    async def log_tail(self, placement_id: str, task: str, stream: str, size: int) -> str:
        """The last ``size`` bytes of a task's output."""
        params = {
            "task": task,
            "type": stream,
            "plain": "true",
            "origin": "end",
            "offset": str(size),
        }
        path = f"/v1/client/fs/logs/{placement_id}"
        response = await self._nomad.call("GET", path, params=params, token=self._token)
        return response.content.decode(errors="replace")

    async def log_stream(
        self, placement_id: str, task: str, stream: str, *, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[bytes]:
        """A task's output from ``offset`` bytes on; with ``follow`` it never ends by itself."""
        params = {
            "task": task,
            "type": stream,
            "plain": "true",
            "origin": "start",
            "offset": str(offset),
            "follow": "true" if follow else "false",
        }
        path = f"/v1/client/fs/logs/{placement_id}"
        async with self._nomad.stream(path, params, token=self._token) as response:
            async for chunk in response.aiter_bytes(_LOG_CHUNK):
                yield chunk
