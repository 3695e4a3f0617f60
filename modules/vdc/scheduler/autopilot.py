"""What the scheduler's servers think of each other."""

from __future__ import annotations

from dataclasses import dataclass

from vdc.errors import SchedulerError
from vdc.scheduler.client import Nomad

# With 429 autopilot says that a server is unhealthy; 500 means that nobody leads.
_UNWELL = (429, 500)


@dataclass(frozen=True)
class ClusterHealth:
    """The servers as their autopilot sees them.

    Attributes:
        healthy: All of them take part and have done so for a while.
        tolerates: How many more may be lost.
    """

    healthy: bool
    tolerates: int


async def takes_part(server: Nomad) -> bool:
    """Whether the server that this connection leads to follows a leader, or is it.

    That autopilot says so, is not enough: of a machine that is suddenly no more it learns only
    after most of a minute, and until then calls it healthy.
    """
    try:
        await server.leader()
    except SchedulerError:
        return False
    return True


async def cluster_health(nomad: Nomad) -> ClusterHealth:
    """Asks the autopilot; the caller may read the operator's API.

    Raises:
        SchedulerError: It was refused, or nobody answers.
    """
    try:
        raw = await nomad.json("GET", "/v1/operator/autopilot/health")
    except SchedulerError as error:
        if error.status not in _UNWELL:
            raise
        return ClusterHealth(healthy=False, tolerates=0)
    return ClusterHealth(bool(raw["Healthy"]), int(raw["FailureTolerance"]))
