"""``vdc:security:Authority``: the data centre's CA, gossip key, first token and certificates."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from vdc.provider.permissions import permitted
from vdc.provider.pki import Pair, due_for_renewal, issue, names_in, new_authority, new_issuer
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource, fixed

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

Reap = Callable[[str, frozenset[str], bool], Awaitable[list[str]]]


class AuthorityInputs(Inputs):
    """What the data centre is known by.

    Attributes:
        fixed: Declared values that cannot change while it stands, by path in the declaration.
        sites: Every declared site, with machines or without: those of groups that were struck may
            be there for as long as their work has not moved. Older states have a mapping.
        dropping: Sites whose machines go with them from the declaration: the user has said so.
        addresses: Of the servers, beside those of this machine.
        endpoint: Names and addresses of the pool API, likewise.
    """

    stack: str
    datacenter: str
    fixed: Mapping[str, str] = {}
    sites: tuple[str, ...] | Mapping[str, bool] = ()
    dropping: tuple[str, ...] = ()
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
        """Beside its own inputs, whatever the declaration says cannot change; and lost sites."""
        was, will = old.get("fixed", {}), new.get("fixed", {})
        both = [path for path in will if path in was and was[path] != will[path]]
        declared = {path: fixed(was[path], will[path], _way_out(path)) for path in both}
        return {**super().refusals(old, new), **declared, **_lost(old, new)}

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
        """New certificates from the same CA, which agents go on trusting.

        One that is not due and good for the names wanted stays: a new one would be a change to
        whatever carries it.
        """
        authority = Pair(old["ca_cert"], old["ca_key"])
        fresh = _leaves(authority, inputs)
        kept = {
            name: old[name] for leaf in (*_LEAVES, _JOIN_CA) for name in _kept(leaf, old, fresh)
        }
        return Made({**old, **fresh, **kept})

    async def read(self, call: Call, inputs: AuthorityInputs, old: Outputs) -> Outputs | None:
        """It exists in the state and nowhere else."""
        return old

    async def delete(self, call: Call, inputs: AuthorityInputs, old: Outputs) -> None:
        """Ends what nobody else recorded."""
        await self._reap(inputs.stack, frozenset(), permitted().forget_silent)


def _kept(leaf: str, old: Outputs, fresh: Outputs) -> tuple[str, ...]:
    """The outputs of a leaf that need no new ones."""
    cert, key = f"{leaf}_cert", f"{leaf}_key"
    good = cert in old and not due_for_renewal(old[cert])
    return (cert, key) if good and names_in(old[cert]) == names_in(fresh[cert]) else ()


def _way_out(path: str) -> str:
    """What to do where a declared value cannot change: a site can also go and come back."""
    top, _, rest = path.partition(".")
    if top != "sites":
        return "destroy the stack first"
    site = rest.partition(".")[0]
    return f"take the site out with dropping: [{site}], run up, and declare it anew"


def _lost(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Sites that were declared and are no more, unless that is said to be meant."""
    gone = set(old.get("sites", ())) - set(new.get("sites", ())) - set(new.get("dropping", ()))
    return {
        f"sites.{site}": "is no longer declared; put it back, or say that whatever machines it "
        f"has are to go: dropping: [{site}]"
        for site in sorted(gone)
    }


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
