"""``vdc:cloud:Members``: how many machines a cloud's own group has, and which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from vdc.errors import NodeError, SchedulerError, StackError
from vdc.provider.connection import SchedulerInputs, recognised
from vdc.provider.drivers.fleet import Fleet, Instance
from vdc.provider.fleet_pool import FleetPool
from vdc.provider.fleets import Converged, Want, converge, surplus
from vdc.provider.permissions import permitted
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource
from vdc.provider.wire import has_unknown

_SPOT = "spot"


class MembersInputs(Inputs):
    """Which group at which cloud, and what it is to be.

    Attributes:
        kind: The site's, for the registry alone to read.
        prefix: Beginning of the nodes' names; the rest is what the cloud calls the machine.
        account: The cloud account that the group belongs to; no other one is touched.
        region: In the cloud's own words.
        profile: The credential's name in the configuration of the cloud's tools; empty: as these
            find one.
        fleet: The group's name at the cloud.
        template: What a machine carries that is made from the wanted template.
        ready_s: Seconds that a new machine gets to become ready in the pool.
        firm: How many of ``count`` the cloud may not take back, at least.
        tags: What every machine carries that says whose it is.
    """

    kind: str
    stack: str
    datacenter: str
    site: str
    group: str
    prefix: str
    account: str
    region: str
    profile: str = ""
    fleet: str
    template: str
    count: int
    firm: int = 0
    tags: Mapping[str, str] = {}
    drain_deadline_s: int
    ready_s: int = 600
    scheduler: SchedulerInputs

    @property
    def want(self) -> Want:
        """What the fleet is to be."""
        return Want(self.prefix, self.count, self.template, self.ready_s, self.firm)


class Members(Resource[MembersInputs]):
    """The logic of fleets behind Pulumi's protocol.

    Args:
        fleet: Gives the cloud's group that inputs name.
    """

    token = "vdc:cloud:Members"  # noqa: S105 - a type token
    inputs = MembersInputs
    refused: ClassVar[frozenset[str]] = frozenset(
        {"kind", "stack", "datacenter", "site", "group", "prefix", "account", "region"}
    )
    replacing: ClassVar[frozenset[str]] = frozenset({"fleet"})

    def __init__(self, fleet: Callable[[MembersInputs], Fleet]) -> None:
        self._fleet = fleet

    def identify(self, inputs: MembersInputs) -> str:
        """The prefix is unique in the data centre."""
        return inputs.prefix

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Nodes that stay, and one line for each that comes; those that go are left out."""
        if has_unknown({name: inputs.get(name) for name in ("count", "template")}):
            return {}
        template, count = str(inputs["template"]), int(inputs["count"])
        known = (old or {}).get("nodes", {})
        goes = _leaving(known, template, count, int(inputs.get("firm", 0)))
        nodes = {name: facts for name, facts in known.items() if name not in goes}
        coming = {"state": "running", "template": template}
        names = [f"{inputs['prefix']}-(new {n})" for n in range(1, count - len(nodes) + 1)]
        return {"nodes": {**nodes, **dict.fromkeys(names, coming)}}

    def drifted(self, inputs: MembersInputs, old: Outputs) -> Mapping[str, Drift]:
        """Nodes that go, nodes of another template, and whether there are too few."""
        known = old.get("nodes", {})
        drift: dict[str, Drift] = {}
        for name in _leaving(known, inputs.template, inputs.count, inputs.firm):
            drift[f'nodes["{name}"]'] = "DELETE"
        if len([f for f in known.values() if f.get("state") != "ending"]) < inputs.count:
            drift["nodes"] = "UPDATE"
        return drift

    async def create(self, call: Call, inputs: MembersInputs) -> Made:
        """See the logic of fleets."""
        fleet = self._fleet(inputs)
        async with self._pool(inputs) as pool:
            converged = await converge(fleet, pool, inputs.want, call.stopping)
        try:
            await fleet.mark(inputs.tags)
        except NodeError as error:
            untold = f"machines do not carry what is declared: {error}"
            converged = replace(converged, problems=(*converged.problems, untold))
        return _made(inputs, converged)

    async def update(self, call: Call, inputs: MembersInputs, old: Outputs) -> Made:
        """The cloud is read anew; the old outputs are not asked."""
        return await self.create(call, inputs)

    async def read(self, call: Call, inputs: MembersInputs, old: Outputs) -> Outputs | None:
        """What the cloud shows now. A fleet whose machines are all gone is still a fleet."""
        return _outputs(inputs, await self._fleet(inputs).instances())

    async def delete(self, call: Call, inputs: MembersInputs, old: Outputs) -> None:
        """Drains and ends every machine; one that keeps its work keeps the group."""
        none = inputs.model_copy(update={"count": 0})
        try:
            async with self._pool(inputs) as pool:
                ended = await converge(self._fleet(inputs), pool, none.want, call.stopping)
        except SchedulerError as error:
            raise StackError(
                f"cannot drain group {inputs.group} of site {inputs.site}: {error}; if the "
                "scheduler is gone for good, destroy with --force"
            ) from error
        if problems := _made(inputs, ended).problems:
            raise StackError("\n".join(problems))

    @asynccontextmanager
    async def _pool(self, inputs: MembersInputs) -> AsyncIterator[FleetPool]:
        async with inputs.scheduler.connect() as nomad:
            await recognised(nomad)
            yield FleetPool(
                nomad,
                inputs.site,
                inputs.group,
                ready_s=inputs.ready_s,
                drain_s=inputs.drain_deadline_s,
                permitted=permitted(),
            )


def _leaving(
    nodes: Mapping[str, Mapping[str, str]], template: str, count: int, firm: int
) -> set[str]:
    """The known nodes that go: of another template, and what is too many of this one."""
    live = {name: facts for name, facts in nodes.items() if facts.get("state") != "ending"}
    right = [
        Instance(
            name, "running", template, zone=facts.get("zone", ""), spot=facts.get("market") == _SPOT
        )
        for name, facts in live.items()
        if facts.get("template") == template
    ]
    kept = {instance.id for instance in right}
    goes = surplus(count, right, firm=min(firm, count))
    return (live.keys() - kept) | {instance.id for instance in goes}


def _made(inputs: MembersInputs, converged: Converged) -> Made:
    # A node's name says which group it is of; what is said of the group has to.
    where = f"group {inputs.group} of site {inputs.site}: "
    problems = (p if p.startswith("node ") else where + p for p in converged.problems)
    return Made(_outputs(inputs, converged.instances), tuple(problems))


def _outputs(inputs: MembersInputs, instances: Collection[Instance]) -> Outputs:
    nodes = {
        inputs.want.name(instance): {
            "state": instance.state,
            "address": instance.address,
            "zone": instance.zone,
            "template": instance.template,
            **({"market": _SPOT} if instance.spot else {}),
        }
        for instance in sorted(instances, key=lambda instance: instance.id)
    }
    return {"nodes": nodes}
