"""Whether a rollout has succeeded, has failed, or is still to be waited for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vdc.scheduler.outcome import Deployment, Evaluation, Job, Placement


@dataclass(frozen=True)
class Verdict:
    """Where a rollout stands: ``waiting``, ``healthy`` or ``failed``; the reason in one line."""

    state: str
    reason: str = ""
    culprit: Placement | None = None


def verdict(
    version: int,
    job: Job | None,
    evaluations: Iterable[Evaluation],
    deployments: Iterable[Deployment],
    placements: Iterable[Placement],
) -> Verdict:
    """Judges the rollout of one version of a job.

    The evaluations must have been read before the rest: once none is pending, the deployment
    that came of them is there to be read. A failed instance fails the rollout at once, even if
    the scheduler goes on trying.
    """
    if job is None or job.stopped:
        return Verdict("failed", "it was stopped while it was being installed")
    wanted = [p for p in placements if p.desired_status == "run"]
    failed = next(
        (p for p in wanted if p.client_status == "failed" and p.job_version == version), None
    )
    if failed is not None:
        return Verdict("failed", failed.cause, failed)
    deployment = next((d for d in deployments if d.job_version == version), None)
    if job.version != version:
        why = deployment.description if deployment else ""
        return Verdict("failed", why or "the job was changed while it was being installed")
    if deployment is not None:
        if deployment.status == "successful":
            return Verdict("healthy")
        if deployment.status in {"failed", "cancelled"}:
            return Verdict("failed", deployment.description)
        return Verdict("waiting", deployment.description)
    states = {evaluation.status for evaluation in evaluations}
    if "pending" in states:
        return Verdict("waiting", "the scheduler has not decided yet")
    if "blocked" in states:
        return Verdict("waiting", "not every instance has found room yet")
    done = {"running", "complete"} if job.type in {"batch", "sysbatch"} else {"running"}
    ready = [p for p in wanted if p.client_status in done]
    if len(ready) == len(wanted) and len(ready) >= (job.desired if job.type != "system" else 1):
        return Verdict("healthy")
    if job.status == "dead":
        last = next((p for p in wanted if p.client_status == "failed"), None)
        why = last.cause if last else "the scheduler places no more instances"
        return Verdict("failed", why, last)
    return Verdict("waiting", f"{len(ready)} of {job.desired} instances run")
