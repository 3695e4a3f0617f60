"""Which names are live: the scheduler takes several nodes of one name, the pool does not."""

from __future__ import annotations

from vdc.scheduler.client import Nomad


async def live_names(nomad: Nomad, site: str, group: str) -> frozenset[str]:
    """Names of a group's nodes that are not gone, which a node is when heartbeats are missed.

    Raises:
        SchedulerError: The scheduler does not answer.
    """
    wanted = f'Datacenter == "{site}" and NodeClass == "{group}" and Status != "down"'
    raws = await nomad.json("GET", "/v1/nodes", params={"filter": wanted})
    return frozenset(str(raw["Name"]) for raw in raws or [])
