"""``vdc:scheduler:Cluster``: the servers become one cluster with access control on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from vdc.errors import SchedulerError
from vdc.provider.connection import SchedulerInputs
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource
from vdc.scheduler.client import Nomad
from vdc.scheduler.login import TERMS, let_in
from vdc.scheduler.policies import OPERATOR, POLICIES, PROVISIONER, Policy

# Servers that are machines of their own boot and install themselves first.
_LEADER_S = 300
_POLL_S = 0.05

_TOKENS: Mapping[str, Policy] = {
    "provisioner_token": PROVISIONER,
    "operator_token": OPERATOR,
}

_POLICIES_DIGEST = hashlib.sha256(repr((POLICIES, TERMS)).encode()).hexdigest()[:16]


class ClusterInputs(Inputs):
    """What makes the cluster.

    Attributes:
        incarnations: Change when a server was made anew, with an empty memory.
        service_cert: The pool service's certificate; who holds its key gets the service's tokens.
        policies: What the provider's check adds: a digest of the policies that this vdc writes.
    """

    scheduler: SchedulerInputs
    incarnations: tuple[str, ...]
    service_cert: str
    policies: str = ""


class Cluster(Resource[ClusterInputs]):
    """Waits for a leader, bootstraps access control, writes policies, makes least-right tokens.

    The pool service gets no token from here: it signs in with its own key.
    """

    token = "vdc:scheduler:Cluster"  # noqa: S105 - a type token
    inputs = ClusterInputs
    secret_outputs: ClassVar[frozenset[str]] = frozenset(_TOKENS)

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The policies of this vdc, which another one may have written otherwise."""
        return {"policies": _POLICIES_DIGEST}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Tokens stay unless the servers are new."""
        return {**(old or {}), **self.expect(inputs)}

    def drifted(self, inputs: ClusterInputs, old: Outputs) -> Mapping[str, Drift]:
        """Policies of another vdc."""
        return {} if old.get("policies") == _POLICIES_DIGEST else {"policies": "UPDATE"}

    async def create(self, call: Call, inputs: ClusterInputs) -> Made:
        """Idempotent: the first token is chosen before, so a retry finds its own bootstrap."""
        async with inputs.scheduler.connect() as nomad:
            await _bootstrapped(nomad, inputs.scheduler.token)
            # Tokens and rules name policies, which need not be there yet.
            async with asyncio.TaskGroup() as group:
                for policy in POLICIES:
                    group.create_task(
                        nomad.put_policy(policy.name, policy.description, policy.rules)
                    )
                group.create_task(let_in(nomad, inputs.service_cert))
                tokens = {
                    output: group.create_task(nomad.ensure_token(output, [policy.name]))
                    for output, policy in _TOKENS.items()
                }
        made = {output: token.result() for output, token in tokens.items()}
        return Made({**made, "policies": _POLICIES_DIGEST})

    async def update(self, call: Call, inputs: ClusterInputs, old: Outputs) -> Made:
        """The same: what is there stays, what is missing is made."""
        return await self.create(call, inputs)

    async def read(self, call: Call, inputs: ClusterInputs, old: Outputs) -> Outputs | None:
        """It is as good as its servers, which are resources of their own."""
        return old

    async def delete(self, call: Call, inputs: ClusterInputs, old: Outputs) -> None:
        """It ends with its servers."""


async def _bootstrapped(nomad: Nomad, token: str) -> None:
    """Tries until the cluster has a leader: a cluster without one has no event to offer."""
    deadline = asyncio.get_running_loop().time() + _LEADER_S
    while True:
        try:
            await nomad.leader()
            await nomad.check_keyring()  # work nodes are introduced with signed tokens
            await nomad.bootstrap(token)
        except SchedulerError as error:
            # 403: another's token; 400: another bootstrapped it. Neither gets better by waiting.
            if error.status in (400, 403):
                raise SchedulerError(
                    f"the servers were bootstrapped with another token ({error}); "
                    "they are not this stack's",
                    error.status,
                ) from error
            if asyncio.get_running_loop().time() > deadline:
                raise SchedulerError(f"no leader after {_LEADER_S} s: {error}") from error
            await asyncio.sleep(_POLL_S)
        else:
            return
