"""``vdc:security:Authority``: the data centre's CA, gossip key, first token and certificates."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from vdc.provider.pki import Pair, due_for_renewal, issue, new_authority, new_issuer
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource

# The region is Nomad's default: one region a data centre, sites are its datacenters.
_LEAVES: Mapping[str, tuple[str, bool]] = {
    "server": ("server.global.nomad", True),
    "client": ("client.global.nomad", True),
    "cli": ("cli.global.nomad", False),
    "service": ("pool.vdc", True),
}
"""Each certificate's common name, and whether it may serve."""

_JOIN_CA = "join_ca"
"""The CA under the data centre's that signs for nodes; the pool service holds its key."""

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

Reap = Callable[[str, frozenset[str]], Awaitable[list[str]]]


class AuthorityInputs(Inputs):
    """What the data centre is known by.

    Attributes:
        fixed: Declared values that cannot change while it stands, by path in the declaration.
        addresses: Of the servers, beside those of this machine.
        endpoint: Names and addresses of the pool API, likewise.
    """

    stack: str
    datacenter: str
    fixed: Mapping[str, str] = {}
    addresses: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()


class Authority(Resource[AuthorityInputs]):
    """The first resource of a data centre and the last to go.

    Its removal is the end of the data centre: whatever on this machine still bears the stack's
    mark, left by a run that was killed before it could be recorded, ends with it.
    """

    token = "vdc:security:Authority"  # noqa: S105 - a type token
    inputs = AuthorityInputs
    refused: ClassVar[frozenset[str]] = frozenset({"stack", "datacenter"})
    secret_outputs: ClassVar[frozenset[str]] = frozenset(
        {"ca_key", "gossip_key", "bootstrap_token"}
        | {f"{name}_key" for name in (*_LEAVES, _JOIN_CA)}
    )

    def __init__(self, reap: Reap) -> None:
        self._reap = reap

    def refusals(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
        """Beside its own inputs, whatever the declaration says cannot change."""
        was, will = old.get("fixed", {}), new.get("fixed", {})
        both = [path for path in will if path in was and was[path] != will[path]]
        declared = {path: f"{was[path]!r} to {will[path]!r}" for path in both}
        return {**super().refusals(old, new), **declared}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Keys are made by ``create`` alone and never change but by renewal."""
        return old or {}

    def drifted(self, inputs: AuthorityInputs, old: Outputs) -> Mapping[str, Drift]:
        """Certificates past two thirds of their life."""
        certs = [f"{name}_cert" for name in (*_LEAVES, _JOIN_CA)]
        return {cert: "UPDATE" for cert in certs if due_for_renewal(old[cert])}

    async def create(self, call: Call, inputs: AuthorityInputs) -> Made:
        """Random keys, made here and kept only in the state, encrypted."""
        authority = new_authority(inputs.datacenter)
        return Made(
            {
                "ca_cert": authority.cert,
                "ca_key": authority.key,
                "gossip_key": base64.b64encode(secrets.token_bytes(32)).decode(),
                "bootstrap_token": str(uuid.uuid4()),
                **_leaves(authority, inputs),
            }
        )

    async def update(self, call: Call, inputs: AuthorityInputs, old: Outputs) -> Made:
        """New certificates from the same CA: agents that trust it go on trusting."""
        authority = Pair(old["ca_cert"], old["ca_key"])
        return Made({**old, **_leaves(authority, inputs)})

    async def read(self, call: Call, inputs: AuthorityInputs, old: Outputs) -> Outputs | None:
        """It exists in the state and nowhere else."""
        return old

    async def delete(self, call: Call, inputs: AuthorityInputs, old: Outputs) -> None:
        """Ends what nobody else recorded."""
        await self._reap(inputs.stack, frozenset())


def _leaves(authority: Pair, inputs: AuthorityInputs) -> dict[str, str]:
    made = {}
    for leaf, (common_name, server) in _LEAVES.items():
        dialled = {"server": inputs.addresses, "service": (*inputs.endpoint, *inputs.addresses)}
        names = dict.fromkeys((common_name, *_LOOPBACK_NAMES, *dialled.get(leaf, ())))
        pair = issue(authority, common_name, tuple(names), server=server)
        made[f"{leaf}_cert"] = pair.cert
        made[f"{leaf}_key"] = pair.key
    issuer = new_issuer(authority, inputs.datacenter)
    return {**made, f"{_JOIN_CA}_cert": issuer.cert, f"{_JOIN_CA}_key": issuer.key}
