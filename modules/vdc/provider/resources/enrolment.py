"""``vdc:cloud:Enrolment``: the machines of a cloud's own group may join, and know how."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from vdc.bootstrap.limits import checked
from vdc.bootstrap.node import BundleSource, Naming
from vdc.declaration.os import Arch, Init
from vdc.errors import SchedulerError, StackError
from vdc.provider.connection import recognised
from vdc.provider.enrolment import (
    GroupAdmission,
    GroupAdmissions,
    Identity,
    dismiss,
    enrol,
    new_secret,
)
from vdc.provider.machines import MachineInputs, briefing, rendered, software
from vdc.provider.offering import offer
from vdc.provider.permissions import permitted
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource
from vdc.provider.wire import has_unknown
from vdc.scheduler.client import Nomad


class IdentityInputs(Inputs):
    """How the cloud vouches for its machines; see :class:`~vdc.provider.enrolment.Identity`."""

    verifier: str
    account: str
    region: str
    certificate: str

    @property
    def identity(self) -> Identity:
        """As the record has it."""
        return Identity(self.verifier, self.account, self.region, self.certificate)


class EnrolmentInputs(MachineInputs):
    """What the machines of a group have in common, and by what they are known.

    Attributes:
        arch: Of the machines.
        init: What reads their user data.
        most: How many nodes the group may have.
        identity: How the cloud vouches for them.
        fleet: What the cloud will call the group.
        hook: Its lifecycle hook that holds an instance's end; empty without one.
        limit: How many bytes of user data the cloud takes.
        digest: What the provider's check adds; see :class:`Enrolment`.
    """

    count: int = 0
    cert: str = ""
    key: str = ""
    arch: Arch
    init: Init
    most: int
    identity: IdentityInputs
    fleet: str
    hook: str = ""
    limit: int


class Enrolment(Resource[EnrolmentInputs]):
    """Writes the record of the group, and keeps its secret, which the cloud hands to every machine.

    ``digest`` is that of the user data without the secret: another secret replaces no machine, as
    those that have joined need none.
    """

    token = "vdc:cloud:Enrolment"  # noqa: S105 - a type token
    inputs = EnrolmentInputs
    secret_outputs: ClassVar[frozenset[str]] = frozenset({"secret", "user_data"})
    refused: ClassVar[frozenset[str]] = frozenset(
        {"stack", "datacenter", "site", "group", "role", "prefix"}
    )

    def identify(self, inputs: EnrolmentInputs) -> str:
        """The prefix is unique in the data centre."""
        return inputs.prefix

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the machines are told, the secret apart: another vdc may tell them otherwise."""
        if has_unknown(inputs):
            return {}
        return {"digest": _digest(EnrolmentInputs.model_validate(inputs))}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """The user data as well, where the secret is there already."""
        expected = self.expect(inputs)
        if not expected or not old or "secret" not in old:
            return expected
        return _outputs(EnrolmentInputs.model_validate(inputs), str(old["secret"]))

    def drifted(self, inputs: EnrolmentInputs, old: Outputs) -> Mapping[str, Drift]:
        """Machines would be told something else, or could not join."""
        return {} if old.get("digest") == inputs.digest else {"digest": "UPDATE"}

    async def create(self, call: Call, inputs: EnrolmentInputs) -> Made:
        """With a secret of its own; one that a cut run has written is worthless then."""
        return await self._enrolled(inputs, new_secret())

    async def update(self, call: Call, inputs: EnrolmentInputs, old: Outputs) -> Made:
        """With the secret that machines have been told."""
        return await self._enrolled(inputs, str(old.get("secret") or new_secret()))

    async def read(self, call: Call, inputs: EnrolmentInputs, old: Outputs) -> Outputs | None:
        """As it was, without a digest when the scheduler lets nobody in by it (any more)."""
        try:
            async with _connect(inputs) as nomad:
                found, _ = await GroupAdmissions(nomad).get(inputs.site, inputs.group)
        except SchedulerError:
            return old  # whether it stands is known to nobody else
        stands = found and found.state == "open" and found.takes(str(old.get("secret", "")))
        return old if stands else {**old, "digest": ""}

    async def delete(self, call: Call, inputs: EnrolmentInputs, old: Outputs) -> None:
        """Nobody joins by it any more."""
        try:
            async with _connect(inputs) as nomad:
                await dismiss(nomad, inputs.site, inputs.group)
        except SchedulerError as error:
            if permitted().without_pool:
                return
            raise StackError(
                f"group {inputs.group} of site {inputs.site} may still join: {error}; if the "
                "scheduler is gone for good, destroy with --force"
            ) from error

    async def _enrolled(self, inputs: EnrolmentInputs, secret: str) -> Made:
        outputs = _outputs(inputs, secret)
        record = GroupAdmission.opened_by(
            secret,
            site=inputs.site,
            group=inputs.group,
            prefix=inputs.prefix,
            most=inputs.most,
            identity=inputs.identity.identity,
        )
        async with _connect(inputs) as nomad:
            await recognised(nomad)
            await offer(software(inputs, inputs.arch), inputs)
            await enrol(nomad, record)
        return Made(outputs)


def _connect(inputs: EnrolmentInputs) -> Nomad:
    if inputs.scheduler is None:
        raise StackError(f"group {inputs.group} was not told where the scheduler is")
    return inputs.scheduler.connect()


def _outputs(inputs: EnrolmentInputs, secret: str) -> Outputs:
    where = f"group {inputs.group} of site {inputs.site}"
    text = checked(_told(inputs, secret), inputs.limit, where)
    return {"secret": secret, "user_data": text, "digest": _digest(inputs)}


def _told(inputs: EnrolmentInputs, secret: str) -> str:
    source = BundleSource(software(inputs, inputs.arch).sha256)
    naming = Naming(inputs.prefix, inputs.identity.verifier, inputs.fleet, inputs.hook)
    boot = briefing(inputs, source, bounded=True).boot_fleet(naming, secret)
    return rendered(boot, inputs.init)


def _digest(inputs: EnrolmentInputs) -> str:
    # With something in the secret's place: without one, machines would not be told to join.
    return hashlib.sha256(_told(inputs, "secret").encode()).hexdigest()
