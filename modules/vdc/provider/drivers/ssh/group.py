"""``vdc:ssh:NodeGroup``: from the resource's inputs to a driver."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vdc.bootstrap.node import BundleSource, Proxy
from vdc.errors import SchedulerError, ToolchainError
from vdc.home import Home
from vdc.provider.admission import Admissions, admit, revoke
from vdc.provider.briefing import Briefing, Carry, Work
from vdc.provider.carrying import carry, software
from vdc.provider.drivers.ssh.driver import Door, SshDriver
from vdc.provider.drivers.ssh.machine import Machine
from vdc.provider.drivers.ssh.preflight import ARCHITECTURES, Wanted
from vdc.provider.drivers.ssh.template import Template
from vdc.provider.drivers.ssh.trail import Trail
from vdc.provider.resource import FORCE_VARIABLE, Call, Made, Outputs
from vdc.provider.resources.node_group import GroupInputs, NodeGroup
from vdc.scheduler.client import Nomad

_MHZ_PER_CORE = 1000


class SshInputs(GroupInputs):
    """What this kind adds.

    Attributes:
        inventory: The group's machines, in the order of ``members``.
        identity_file: Path of the private key to sign in with; empty for ssh-agent.
        endpoints: ``https://host:port`` of the pool service; empty for servers, which stand first.
        proxy_http: With ``proxy_https`` and ``no_proxy``: the machines' way out.
        ntp: Time servers; empty for those of their system.
        logs: Where logs go; empty keeps them there.
        former: Machines of nodes that the state records, by the node's name; the group fills it
            in, so that what the inventory no longer has can be let go.
    """

    inventory: tuple[Machine, ...]
    identity_file: str = ""
    endpoints: tuple[str, ...] = ()
    proxy_http: str = ""
    proxy_https: str = ""
    no_proxy: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    logs: str = ""
    former: Mapping[str, Machine] = {}

    @property
    def machines(self) -> dict[str, Machine]:
        """Every machine that may hold a node of the group, by the node's name."""
        return {**self.former, **dict(zip(self.names, self.inventory, strict=True))}


class SshNodeGroup(NodeGroup[SshInputs]):
    """``vdc:ssh:NodeGroup``."""

    token = "vdc:ssh:NodeGroup"  # noqa: S105 - a type token
    inputs = SshInputs

    def driver(self, inputs: SshInputs, nomad: Nomad | None) -> SshDriver:
        """Agents on the machines, each admitted to the pool by name."""
        home = Home.of_user()
        arch = ARCHITECTURES.get(platform.machine(), platform.machine())
        packed = software(inputs, arch, _agent_program(), home)
        template = Template(
            owner=inputs.owner,
            briefing=_briefing(inputs, packed.sha256),
            wanted=Wanted(
                arch=arch,
                bundle_sha256=packed.sha256,
                cores=-(-inputs.cpu_mhz // _MHZ_PER_CORE),
                memory_mib=inputs.memory_mib,
            ),
        )
        return SshDriver(
            template,
            inputs.machines,
            inputs.identity_file,
            packed.path,
            _door(inputs, nomad),
            Trail.of_stack(inputs.stack),
            force=force(),
        )

    async def create(self, call: Call, inputs: SshInputs) -> Made:
        """With each node's machine, for the day on which the inventory no longer has it."""
        made = await super().create(call, inputs)
        return Made(_with_machines(made.outputs, inputs), made.problems)

    async def update(self, call: Call, inputs: SshInputs, old: Outputs) -> Made:
        """Likewise; machines of old nodes are looked at as well."""
        return await self.create(call, _remembering(inputs, old))

    async def read(self, call: Call, inputs: SshInputs, old: Outputs) -> Outputs | None:
        """Likewise."""
        known = _remembering(inputs, old)
        found = await super().read(call, known, old)
        return found if found is None else _with_machines(found, known)

    async def delete(self, call: Call, inputs: SshInputs, old: Outputs) -> None:
        """Likewise."""
        await super().delete(call, _remembering(inputs, old), old)


def _briefing(inputs: SshInputs, bundle_sha256: str) -> Briefing:
    role: Work | Carry
    if inputs.role == "server":
        role = carry(inputs)
    else:
        servers = inputs.scheduler.rpc if inputs.scheduler else ()
        # The machine may have more: what the plan counts and prices is what the pool gets.
        role = Work(servers, inputs.cpu_mhz, inputs.memory_mib)
    return Briefing(
        site=inputs.site,
        group=inputs.group,
        role=role,
        endpoints=inputs.endpoints,
        ca_cert=inputs.ca_cert,
        bundle=BundleSource(bundle_sha256),
        drain_s=inputs.drain_deadline_s,
        proxy=Proxy(inputs.proxy_http, inputs.proxy_https, inputs.no_proxy),
        ntp=inputs.ntp,
        logs=inputs.logs,
    )


def _agent_program() -> Path:
    found = shutil.which("nomad")
    if found is None:
        raise ToolchainError(
            'nomad is not on PATH; run `vdc toolchain install`, then `eval "$(vdc env)"`'
        )
    return Path(found)


def _door(inputs: SshInputs, nomad: Nomad | None) -> Door:
    if inputs.role == "server":
        return _SERVERS

    def scheduler() -> Nomad:
        if nomad is None:
            raise SchedulerError("a work node can be admitted only through the scheduler")
        return nomad

    async def joined(name: str) -> bool:
        found, _ = await Admissions(scheduler()).get(name)
        return found is not None and found.state == "used"

    async def let_in(name: str) -> str:
        return await admit(scheduler(), name, inputs.site, inputs.group)

    async def keep_out(name: str) -> None:
        try:
            await revoke(scheduler(), name)
        except SchedulerError:
            if not force():  # with it, nobody is left to ask and the user has said to go on
                raise

    return Door(joined, let_in, keep_out)


async def _yes(_: str) -> bool:
    return True


async def _no_secret(_: str) -> str:
    return ""


async def _nothing(_: str) -> None:
    """Servers are not admitted but made, so there is nothing to take back."""


_SERVERS = Door(_yes, _no_secret, _nothing)


def force() -> bool:
    """Whether the user has said to go on without those that do not answer."""
    return os.environ.get(FORCE_VARIABLE) == "1"


def _remembering(inputs: SshInputs, old: Outputs) -> SshInputs:
    recorded: Mapping[str, Any] = old.get("machines", {})
    former = {name: Machine.model_validate(machine) for name, machine in recorded.items()}
    return inputs.model_copy(update={"former": former})


def _with_machines(outputs: Outputs, inputs: SshInputs) -> Outputs:
    known = inputs.machines
    machines = {name: known[name].model_dump() for name in outputs["nodes"] if name in known}
    return {**outputs, "machines": machines}
