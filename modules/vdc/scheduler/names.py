"""Which names are live: the scheduler takes several nodes of one name, the pool does not."""

from __future__ import annotations

from dataclasses import dataclass

from vdc.scheduler.client import Nomad


@dataclass(frozen=True)
class Names:
    """Names of a group's nodes; a node is gone when heartbeats are missed."""

    live: frozenset[str]
    gone: frozenset[str]


async def names(nomad: Nomad, site: str, group: str) -> Names:
    """The names of all nodes of a group that the scheduler knows.

    Raises:
        SchedulerError: The scheduler does not answer.
    """
    wanted = f'Datacenter == "{site}" and NodeClass == "{group}"'
    raws = await nomad.json("GET", "/v1/nodes", params={"filter": wanted}) or []
    live = frozenset(str(raw["Name"]) for raw in raws if raw["Status"] != "down")
    return Names(live, frozenset(str(raw["Name"]) for raw in raws) - live)
