"""``vdc:ssh:NodeGroup``: from the resource's inputs to a driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vdc.bootstrap.node import BundleSource
from vdc.provider.agent import architecture
from vdc.provider.door import door
from vdc.provider.drivers.ssh.driver import SshDriver
from vdc.provider.drivers.ssh.machine import Machine
from vdc.provider.drivers.ssh.preflight import Wanted
from vdc.provider.drivers.ssh.template import Template
from vdc.provider.drivers.ssh.trail import Trail
from vdc.provider.machines import MachineInputs, briefing, software
from vdc.provider.permissions import permitted
from vdc.provider.resource import Call, Made, Outputs
from vdc.provider.resources.node_group import NodeGroup
from vdc.scheduler.client import Nomad


class SshInputs(MachineInputs):
    """What this kind adds.

    Attributes:
        inventory: The group's machines, in the order of ``members``.
        identity_file: Path of the private key to sign in with; empty for ssh-agent.
        former: Machines of nodes that the state records, by the node's name; the group fills it
            in, so that what the inventory no longer has can be let go.
    """

    inventory: tuple[Machine, ...]
    identity_file: str = ""
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
        arch = architecture()
        packed = software(inputs, arch)
        template = Template(
            owner=inputs.owner,
            # The machine may have more: what the plan counts and prices is what the pool gets.
            briefing=briefing(inputs, BundleSource(packed.sha256), bounded=True),
            wanted=Wanted(
                arch=arch,
                bundle_sha256=packed.sha256,
                cores=inputs.size.cores,
                memory_mib=inputs.memory_mib,
            ),
        )
        return SshDriver(
            template,
            inputs.machines,
            inputs.identity_file,
            packed.path,
            door(inputs, nomad),
            Trail.of_stack(inputs.stack),
            forget_silent=permitted().forget_silent,
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


def _remembering(inputs: SshInputs, old: Outputs) -> SshInputs:
    recorded: Mapping[str, Any] = old.get("machines", {})
    former = {name: Machine.model_validate(machine) for name, machine in recorded.items()}
    return inputs.model_copy(update={"former": former})


def _with_machines(outputs: Outputs, inputs: SshInputs) -> Outputs:
    known = inputs.machines
    machines = {name: known[name].model_dump() for name in outputs["nodes"] if name in known}
    return {**outputs, "machines": machines}
