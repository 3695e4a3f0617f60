"""``vdc:pool:Service``: the pool service beside the scheduler's servers, wherever they stand."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import vdc
from vdc.bootstrap import layout
from vdc.bootstrap.control import PoolService, ServiceKeys, pool_endpoints
from vdc.client.profile import Profile
from vdc.errors import SchedulerError
from vdc.home import Home
from vdc.provider import processes, settings
from vdc.provider.answers import Answers
from vdc.provider.connection import SchedulerInputs
from vdc.provider.here import ServiceHere
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource
from vdc.provider.slots import HOST
from vdc.provider.wire import has_unknown
from vdc.scheduler.variables import Variables

# On a machine that has just booted, the service is installed meanwhile.
_ANSWER_S = 180.0


class GroupFacts(Inputs):
    """What the service tells the scheduler of a group's nodes."""

    site: str
    name: str
    node_class: str
    labels: dict[str, str]
    price: str | None


class ServiceInputs(Inputs):
    """The service's keys, and what it knows of the declaration.

    Attributes:
        addresses: Of the control plane; a service here listens at the first, else on loopback.
        endpoint: Names or addresses by which others reach the service; else ``addresses``.
        servers: By name, the address of each machine that carries a service; empty where the
            one service is a process here.
        scheduler: With the provisioner's token, under which the declaration is written.
        join_cert: The CA that the service certifies nodes with.
        join_key: Its key; a Pulumi secret.
        operator_token: Goes into the user's profile; a Pulumi secret.
        digest: What the provider's check adds: of all that a service here is started from.
        declared: Likewise, of what services take while they run.
    """

    stack: str
    datacenter: str
    currency: str
    addresses: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    servers: Mapping[str, str] = {}
    groups: tuple[GroupFacts, ...]
    cert: str
    key: str
    join_cert: str
    join_key: str
    scheduler: SchedulerInputs
    operator_token: str
    digest: str = ""
    declared: str = ""

    @property
    def host(self) -> str:
        """Where a service here listens."""
        return self.addresses[0] if self.addresses else HOST

    @property
    def here(self) -> ServiceHere:
        """The process on this machine, where that is how the service runs."""
        return ServiceHere(Home.of_user().stack(self.stack).pool, self.host)

    @property
    def port(self) -> int:
        """The same on every machine, but for a service here, which takes what is free."""
        return layout.POOL_PORT if self.servers else self.here.port

    @property
    def machines(self) -> Mapping[str, str]:
        """By name of its machine, where each service answers, ``https://host:port``."""
        known = self.servers or {"this machine": self.host}
        return dict(zip(known, pool_endpoints(tuple(known.values()), self.port), strict=True))

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where others reach the service."""
        return pool_endpoints(self.endpoint or self.addresses or (self.host,), self.port)

    @property
    def keys(self) -> ServiceKeys:
        """What a service here proves itself with."""
        return ServiceKeys(
            cert=self.cert,
            key=self.key,
            join_cert=self.join_cert,
            join_key=self.join_key,
            scheduler_cert=self.scheduler.cert,
            scheduler_key=self.scheduler.key,
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """What services take while they run."""
        return {
            "currency": self.currency,
            "groups": [group.model_dump() for group in self.groups],
            "library": [],
        }


class Service(Resource[ServiceInputs]):
    """What is declared, for services to follow; where they do not come with machines, also one.

    That one is a detached process on this machine.
    """

    token = "vdc:pool:Service"  # noqa: S105 - a type token
    inputs = ServiceInputs
    refused: ClassVar[frozenset[str]] = frozenset({"stack", "datacenter"})

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Running, from these inputs and this program."""
        if has_unknown(inputs):
            return {}
        known = ServiceInputs.model_validate(inputs)
        return {"digest": _digest(known), "declared": settings.digest(known.settings)}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Address and files stay for the service's life."""
        return {**(old or {}), **self.expect(inputs), "state": "running"}

    def drifted(self, inputs: ServiceInputs, old: Outputs) -> Mapping[str, Drift]:
        """A service that has ended, or that works from something else."""
        wanted = {"state": "running", "digest": inputs.digest, "declared": inputs.declared}
        return {name: "UPDATE" for name, value in wanted.items() if old.get(name) != value}

    async def create(self, call: Call, inputs: ServiceInputs) -> Made:
        """Returns when every service works from what is declared now."""
        home, here = Home.of_user().stack(inputs.stack), inputs.here
        digest = _digest(inputs)
        async with inputs.scheduler.connect() as nomad:
            await _declare(Variables(nomad), settings.encode(inputs.settings))
        ca_cert = inputs.scheduler.ca_cert
        if inputs.servers:
            processes.write_private(here.ca, ca_cert)
        else:
            service = PoolService(inputs.datacenter, inputs.endpoints, inputs.keys)
            await here.start(service, inputs.scheduler.addresses, ca_cert, digest)
        declared = settings.digest(inputs.settings)
        async with Answers(ca_cert, inputs.operator_token) as answers:
            waiting = [
                answers.problem(name, address, declared, _ANSWER_S)
                for name, address in inputs.machines.items()
            ]
            problems = tuple(filter(None, await asyncio.gather(*waiting)))
        outputs = _outputs(inputs, "running", digest, declared)
        Profile(outputs["address"], here.ca, inputs.operator_token).save(home.profile)
        return Made(outputs, problems)

    async def update(self, call: Call, inputs: ServiceInputs, old: Outputs) -> Made:
        """In place; only a service here may have to start anew, which work does not notice."""
        return await self.create(call, inputs)

    async def read(self, call: Call, inputs: ServiceInputs, old: Outputs) -> Outputs | None:
        """Whether all of it runs, and from what."""
        async with inputs.scheduler.connect() as nomad:
            try:
                found = await Variables(nomad).get(settings.PATH)
            except SchedulerError:
                declared = str(old.get("declared", ""))
            else:
                declared = found.items.get("digest", "") if found else ""
        if not inputs.servers:
            if not inputs.here.digest:
                return {**old, "state": "stopped"}
            state = "running" if inputs.here.runs else "stopped"
            return _outputs(inputs, state, inputs.here.digest, declared)
        async with Answers(inputs.scheduler.ca_cert, inputs.operator_token) as answers:
            alive = await asyncio.gather(*map(answers.alive, inputs.machines.values()))
        state = "running" if all(alive) else "stopped"
        return _outputs(inputs, state, "", declared)

    async def delete(self, call: Call, inputs: ServiceInputs, old: Outputs) -> None:
        """Ends a service here; those that came with machines go with them."""
        async with inputs.scheduler.connect() as nomad:
            try:
                await Variables(nomad).delete(settings.PATH)
            except SchedulerError as error:
                if error.status:  # without one the scheduler is gone, and the variable with it
                    raise
        await end(inputs.stack)


async def end(stack: str) -> None:
    """Ends a stack's service here, and removes its files and the user's profile; idempotent."""
    home = Home.of_user().stack(stack)
    await ServiceHere(home.pool, HOST).end()
    home.profile.unlink(missing_ok=True)


async def _declare(variables: Variables, items: Mapping[str, str]) -> None:
    """Writes what is declared, unless that is there: every write wakes every service."""
    found = await variables.get(settings.PATH)
    if found is None or found.items != items:
        await variables.write(settings.PATH, items)


def _digest(inputs: ServiceInputs) -> str:
    """Of all that a service here is started from, its own program included; else empty."""
    if inputs.servers:
        return ""
    changing = {"digest", "declared", "operator_token", "groups", "currency"}
    started = inputs.model_dump_json(
        exclude={**dict.fromkeys(changing, True), "scheduler": {"token"}}
    )
    facts = (started, vdc.__version__, vdc.__file__, sys.executable)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _outputs(inputs: ServiceInputs, state: str, digest: str, declared: str) -> dict[str, Any]:
    address = next(iter(inputs.endpoints if inputs.servers else inputs.machines.values()))
    return {
        "address": address,
        "endpoints": list(inputs.endpoints),
        "console": f"{address}/",
        "ca_file": str(inputs.here.ca),
        "profile": str(Home.of_user().stack(inputs.stack).profile),
        "state": state,
        "digest": digest,
        "declared": declared,
    }
