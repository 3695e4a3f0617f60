"""``vdc:cloud:Server``: what one control server of a cloud is told, and when it may be replaced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from vdc.bootstrap import layout
from vdc.bootstrap.control import at
from vdc.bootstrap.limits import checked
from vdc.bootstrap.node import BundleSource
from vdc.declaration.os import Init
from vdc.errors import NodeError, StackError
from vdc.provider.machines import BundleInputs, MachineInputs, briefing, rendered
from vdc.provider.members import ServerMembers
from vdc.provider.permissions import permitted
from vdc.provider.resource import Call, Drift, Made, Outputs, Resource
from vdc.provider.wire import has_unknown

# The one before it was perhaps made anew, and boots and fetches its software first.
_SETTLE_S = 600


class ServerInputs(MachineInputs):
    """What a server has in common with the others of its group, and what is its own.

    Attributes:
        name: The node's.
        init: What reads its user data.
        bundle: The software.
        image: What a machine that is made now boots.
        machine: Changes when the cloud's machine is to be another one, its image and what it is
            told apart.
        limit: How many bytes of user data the cloud takes.
        digest: What the provider's check adds; see :class:`Server`.
    """

    name: str
    init: Init
    bundle: BundleInputs
    image: str
    machine: str
    limit: int


class Server(Resource[ServerInputs]):
    """Comes before the cloud's own resource of a machine: says what that boots and is told.

    When another machine is to take the place of a server, the change of this resource waits until
    the cluster can do without that server, and is refused where it cannot. Of several servers each
    comes after the machine of the one before, so that one is replaced at a time. A newer image
    alone is no reason: a server keeps its own until there is another one.
    """

    token = "vdc:cloud:Server"  # noqa: S105 - a type token
    inputs = ServerInputs
    secret_outputs: ClassVar[frozenset[str]] = frozenset({"user_data"})
    refused: ClassVar[frozenset[str]] = frozenset(
        {"stack", "datacenter", "site", "group", "role", "prefix", "name"}
    )

    def identify(self, inputs: ServerInputs) -> str:
        """The node's name is unique in the data centre."""
        return inputs.name

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The digest: another vdc may tell servers otherwise."""
        if has_unknown(inputs):
            return {}
        return {"digest": _outputs(ServerInputs.model_validate(inputs), {})["digest"]}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Everything, as far as the authority is known."""
        if has_unknown(inputs):
            return {}
        return _outputs(ServerInputs.model_validate(inputs), old or {})

    def drifted(self, inputs: ServerInputs, old: Outputs) -> Mapping[str, Drift]:
        """It would be told something else."""
        return {} if old.get("digest") == inputs.digest else {"digest": "UPDATE"}

    async def create(self, call: Call, inputs: ServerInputs) -> Made:
        """Nothing to wait for: it is one more."""
        return Made(_outputs(inputs, {}))

    async def update(self, call: Call, inputs: ServerInputs, old: Outputs) -> Made:
        """Returns when its machine may be replaced, if that is what the change comes to."""
        outputs = _outputs(inputs, old)
        if outputs["digest"] != old.get("digest"):
            await _spared(inputs)
        return Made(outputs)

    async def read(self, call: Call, inputs: ServerInputs, old: Outputs) -> Outputs | None:
        """Its machine is a resource of its own."""
        return old

    async def delete(self, call: Call, inputs: ServerInputs, old: Outputs) -> None:
        """Likewise."""


async def _spared(inputs: ServerInputs) -> None:
    if inputs.scheduler is None:
        raise StackError(f"server {inputs.name} was not told how to ask for its cluster's health")
    addresses = [f"https://{at(one, layout.PORTS.http)}" for one in inputs.server_addresses]
    async with inputs.scheduler.each(addresses) as servers:
        members = ServerMembers(
            servers, inputs.count, settle_s=_SETTLE_S, unhealthy=permitted().unhealthy
        )
        try:
            await members.spare(inputs.name, replaced=True)
        except NodeError as error:
            raise NodeError(f"server {inputs.name}: {error}") from error


def _outputs(inputs: ServerInputs, old: Outputs) -> Outputs:
    source = BundleSource(inputs.bundle.sha256, url=inputs.bundle.url)
    boot = briefing(inputs, source, bounded=True).boot(inputs.name, "")
    text = checked(rendered(boot, inputs.init), inputs.limit, f"server {inputs.name}")
    digest = hashlib.sha256(f"{inputs.machine}\0{text}".encode()).hexdigest()
    boots = old["boots"] if old.get("digest") == digest else inputs.image
    return {"user_data": text, "digest": digest, "boots": boots}
