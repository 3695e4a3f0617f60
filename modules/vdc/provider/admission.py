"""Who may join: one record for each node, in the scheduler's own store.

The provider writes a record before it makes a node; the pool service takes the node in by it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, cast

from vdc.scheduler.client import Nomad
from vdc.scheduler.variables import ConflictError, Variable, Variables

_PREFIX = "vdc/join/"

State = Literal["open", "used", "revoked"]


@dataclass(frozen=True)
class Admission:
    """What is known of one node's joining.

    Attributes:
        secret_sha256: Of the node's secret, which itself is kept nowhere.
        state: ``open`` while the secret was not used; ``revoked`` when neither the secret nor a
            certificate opens anything any more.
        serial: Of the newest certificate made for the node, hexadecimal; empty before the first.
        asked: Of the certificate with which the node asked for that one. Until the newest has
            been used, this one may ask again: an answer can get lost on its way.
        joined: When the secret was used, ISO 8601.
    """

    secret_sha256: str
    site: str
    group: str
    state: State = "open"
    serial: str = ""
    asked: str = ""
    joined: str = ""

    @classmethod
    def of(cls, items: Mapping[str, str]) -> Admission:
        """Reads a variable's items."""
        return cls(
            secret_sha256=items["secret_sha256"],
            site=items["site"],
            group=items["group"],
            state=cast(State, items["state"]),
            serial=items.get("serial", ""),
            asked=items.get("asked", ""),
            joined=items.get("joined", ""),
        )

    @property
    def items(self) -> dict[str, str]:
        """The variable's items."""
        return asdict(self)

    def opened_by(self, secret: str) -> bool:
        """Whether this is the node's secret, used already or not."""
        return same_secret(self.secret_sha256, secret)

    def knows(self, serial: str) -> bool:
        """Whether a certificate of ours is one that the node may still go on from."""
        return serial in {self.serial, self.asked} - {""}


class Admissions:
    """The records, read and written under the connection's own token.

    Every method raises :class:`~vdc.errors.SchedulerError`.
    """

    def __init__(self, nomad: Nomad) -> None:
        self._variables = Variables(nomad)

    async def get(self, name: str) -> tuple[Admission | None, int]:
        """A node's record and the index that :meth:`put` must name; None and 0 without one."""
        found: Variable | None = await self._variables.get(_PREFIX + name)
        return (Admission.of(found.items), found.index) if found else (None, 0)

    async def put(self, name: str, admission: Admission, index: int) -> None:
        """Writes a record if nobody else has since.

        Raises:
            ConflictError: Somebody has.
        """
        await self._variables.put(_PREFIX + name, admission.items, index)

    async def names(self, prefix: str) -> list[str]:
        """Names that begin so and have a record."""
        paths = await self._variables.paths(_PREFIX + prefix)
        return [path.removeprefix(_PREFIX) for path in paths]

    async def delete(self, name: str) -> None:
        """Removes a node's record; without one nobody joins or renews under its name."""
        await self._variables.delete(_PREFIX + name)


async def admit(nomad: Nomad, name: str, site: str, group: str) -> str:
    """Lets a node of this name join once; what it was given before is worthless after.

    A node that has joined keeps its certificate until its successor has come.

    Returns:
        The node's secret. It is kept nowhere, so that it cannot be asked for again.
    """
    secret = secrets.token_urlsafe(32)
    admissions = Admissions(nomad)
    while True:
        old, index = await admissions.get(name)
        fresh = Admission(secret_digest(secret), site, group)
        if old and old.state != "revoked":
            fresh = replace(fresh, serial=old.serial, asked=old.asked, joined=old.joined)
        try:
            await admissions.put(name, fresh, index)
        except ConflictError:
            continue  # the node itself has just joined or renewed
        return secret


async def revoke(nomad: Nomad, name: str) -> None:
    """Ends what a node may do: its secret and the renewal of its certificate; idempotent.

    The certificate it has stays good until it ends, at most 30 days. The scheduler forgets the
    node only when it is told so.
    """
    admissions = Admissions(nomad)
    while True:
        old, index = await admissions.get(name)
        if old is None or old.state == "revoked":
            return
        try:
            await admissions.put(name, replace(old, state="revoked"), index)
        except ConflictError:
            continue
        return


def same_secret(sha256: str, secret: str) -> bool:
    """Whether a secret is the one of this digest, in a time that does not depend on it."""
    return hmac.compare_digest(sha256, secret_digest(secret))


def secret_digest(secret: str) -> str:
    """What records keep in a secret's place."""
    return hashlib.sha256(secret.encode()).hexdigest()
