"""Which groups of a cloud's machines may join: one record for each, in the scheduler's own store.

All machines of such a group are told the same secret, so the secret proves no more than that a
machine was started from the group's template. Which machine it is the cloud has to vouch for, with
a document that it signed for that machine.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, cast

from vdc.errors import StackError
from vdc.provider.admission import Admissions, revoke, same_secret, secret_digest
from vdc.scheduler.client import Nomad
from vdc.scheduler.variables import ConflictError, Variables

FRESH = timedelta(hours=1)
"""So long after a machine's start its identity is taken for a joining."""

_KEPT = 2 * FRESH  # at the least, so that clocks may differ
_PREFIX = "vdc/join-groups/"
_SEGMENT = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LONGEST_NAME = 63  # of a host
_LONGEST_INSTANCE = 19  # i- and 17 digits

State = Literal["open", "revoked"]


@dataclass(frozen=True)
class Identity:
    """By what a group's machines are known.

    Attributes:
        verifier: Who reads the machines' documents, by its name in ``pool/joining/identities``.
        account: The cloud account that the machines run in.
        region: Where they run, in the cloud's own words.
        certificate: Of the key that the cloud signs with there, PEM, as the cloud publishes it.
    """

    verifier: str
    account: str
    region: str
    certificate: str


@dataclass(frozen=True)
class GroupAdmission:
    """What is known of one group's joining; make it with :meth:`opened_by`.

    Attributes:
        site: The scheduler's ``datacenter``.
        group: The scheduler's ``node_class``.
        prefix: A machine is called this, a hyphen, and its identifier at the cloud.
        most: How many machines the group may have.
        identity: By what they are known.
        secret_sha256: Of the group's secret.
        state: ``revoked`` when nobody joins by it any more.
        claims: Names that were let in and that the scheduler may not know yet, with the second
            of the Unix clock when that was.
    """

    site: str
    group: str
    prefix: str
    most: int
    identity: Identity
    secret_sha256: str
    state: State = "open"
    claims: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def opened_by(
        cls, secret: str, *, site: str, group: str, prefix: str, most: int, identity: Identity
    ) -> GroupAdmission:
        """A group whose machines have this secret.

        Raises:
            StackError: The names cannot be names, or are too long for what follows the prefix.
        """
        longest = _LONGEST_NAME - 1 - _LONGEST_INSTANCE
        for name in (site, group, prefix):
            if not _SEGMENT.fullmatch(name):
                raise StackError(f"group {site}/{group}: {name!r} cannot be part of a node's name")
        if len(prefix) > longest:
            raise StackError(
                f"group {site}/{group}: {prefix} is longer than the {longest} characters that a "
                "machine's identifier leaves of a host's name; choose shorter names"
            )
        return cls(site, group, prefix, most, identity, secret_digest(secret))

    @classmethod
    def of(cls, items: Mapping[str, str]) -> GroupAdmission:
        """Reads a variable's items."""
        return cls(
            site=items["site"],
            group=items["group"],
            prefix=items["prefix"],
            most=int(items["most"]),
            identity=Identity(**json.loads(items["identity"])),
            secret_sha256=items["secret_sha256"],
            state=cast(State, items["state"]),
            claims=json.loads(items.get("claims", "{}")),
        )

    @property
    def items(self) -> dict[str, str]:
        """The variable's items."""
        return {
            "site": self.site,
            "group": self.group,
            "prefix": self.prefix,
            "most": str(self.most),
            "identity": json.dumps(asdict(self.identity)),
            "secret_sha256": self.secret_sha256,
            "state": self.state,
            "claims": json.dumps(dict(self.claims)),
        }

    @property
    def room(self) -> int:
        """How many nodes may be live at once: while machines are replaced there are some more."""
        return self.most + max(1, self.most // 10)

    def takes(self, secret: str) -> bool:
        """Whether this is the group's secret."""
        return same_secret(self.secret_sha256, secret)

    def name(self, machine: str) -> str:
        """The name of the machine that the cloud calls so."""
        return f"{self.prefix}-{machine}"


class GroupAdmissions:
    """The records, read and written under the connection's own token.

    Every method raises :class:`~vdc.errors.SchedulerError`.
    """

    def __init__(self, nomad: Nomad) -> None:
        self._variables = Variables(nomad)

    async def get(self, site: str, group: str) -> tuple[GroupAdmission | None, int]:
        """A group's record and the index that :meth:`put` must name; None and 0 without one."""
        found = await self._variables.get(f"{_PREFIX}{site}/{group}")
        return (GroupAdmission.of(found.items), found.index) if found else (None, 0)

    async def put(self, admission: GroupAdmission, index: int) -> None:
        """Writes a record if nobody else has since.

        Raises:
            ConflictError: Somebody has.
        """
        path = f"{_PREFIX}{admission.site}/{admission.group}"
        await self._variables.put(path, admission.items, index)


def new_secret() -> str:
    """A secret for a group; whoever made it keeps it, since machines come at any time."""
    return secrets.token_urlsafe(32)


async def enrol(nomad: Nomad, admission: GroupAdmission) -> None:
    """Lets a group's machines join, in place of what held for the group before; idempotent.

    Nodes that have joined stay what they are, also when the secret is another one now.
    """
    records = GroupAdmissions(nomad)
    while True:
        old, index = await records.get(admission.site, admission.group)
        claims = old.claims if old else {}
        try:
            await records.put(replace(admission, claims=claims), index)
        except ConflictError:
            continue  # a machine has just joined
        return


async def dismiss(nomad: Nomad, site: str, group: str) -> None:
    """Ends what a group's machines may do: joining, and the renewal of certificates; idempotent.

    As with :func:`~vdc.provider.admission.revoke`, certificates stay good until they end.
    """
    records = GroupAdmissions(nomad)
    while True:
        found, index = await records.get(site, group)
        if found is None:
            return
        try:
            await records.put(replace(found, state="revoked", claims={}), index)
        except ConflictError:
            continue
        break
    for name in await Admissions(nomad).names(found.prefix):
        admission, _ = await Admissions(nomad).get(name)
        if admission and (admission.site, admission.group) == (site, group):
            await revoke(nomad, name)


async def release(nomad: Nomad, site: str, group: str, names: AbstractSet[str]) -> None:
    """Gives back the places that machines have claimed which are no more; idempotent.

    For the scheduler forgets nodes, and who it does not know might be just about to come.
    """
    records = GroupAdmissions(nomad)
    while True:
        found, index = await records.get(site, group)
        if found is None or found.claims.keys().isdisjoint(names):
            return
        claims = {name: at for name, at in found.claims.items() if name not in names}
        try:
            await records.put(replace(found, claims=claims), index)
        except ConflictError:
            continue  # another machine has just joined
        return


async def sweep(nomad: Nomad, site: str, group: str, alive: Iterable[str], now: datetime) -> None:
    """Forgets machines of a group that are no more; idempotent.

    A cloud gives each machine an identifier of its own, so records would pile up. What is younger
    than the time in which an identity is taken stays: it keeps that from being used twice.

    Args:
        nomad: A connection with the provisioner's token.
        site: The group's site.
        group: The group.
        alive: Names of the machines that there are.
        now: The time.
    """
    admissions = Admissions(nomad)
    found, _ = await GroupAdmissions(nomad).get(site, group)
    if found is None:
        return
    for name in sorted(set(await admissions.names(found.prefix)) - set(alive)):
        admission, _ = await admissions.get(name)
        if admission is None or (admission.site, admission.group) != (site, group):
            continue
        if now - datetime.fromisoformat(admission.joined) > _KEPT:
            await admissions.delete(name)
