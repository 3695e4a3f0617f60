"""Whether a node is taken in, and if not, why. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from vdc.pool.joining.identities import Machine
from vdc.pool.joining.petition import Joining, Renewal
from vdc.provider.admission import Admission
from vdc.provider.enrolment import FRESH, GroupAdmission
from vdc.scheduler.names import Names

_STRANGER = "this name is not admitted with this secret"
_ANEW = "have the node admitted anew (`vdc up`)"
# A machine's clock and its cloud's may be ahead of this one's.
_AHEAD = timedelta(minutes=10)
_UNSEEN_S = 600  # so long after it was let in a node may have no agent that runs


@dataclass(frozen=True)
class Refusal:
    """Why a node is not taken in.

    Attributes:
        reason: One word for the audit.
        status: HTTP status.
        line: What the node is told. Whoever has proved nothing learns nothing from it, not even
            whether the name is declared.
        retry_s: After how many seconds it can be otherwise; None when waiting does not help.
    """

    reason: str
    status: int
    line: str
    retry_s: int | None = None


UNDECLARED = Refusal("undeclared", 403, _STRANGER)
FOREIGN = Refusal("foreign", 403, _STRANGER)
REVOKED = Refusal("revoked", 403, f"the node's admission was revoked; {_ANEW}")
REPLAYED = Refusal("replayed", 403, f"the secret has been used already; {_ANEW}")
# The scheduler needs some seconds to see that a machine which was made anew is gone.
LIVE = Refusal("live", 409, "a live node has this name; remove that one or choose another name", 5)
NOT_OURS = Refusal("not-ours", 403, "the certificate is not one of this node in this data centre")
UNPROVEN = Refusal("unproven", 403, "the proof is not a signature by the certificate's key")
SUPERSEDED = Refusal("superseded", 403, f"the certificate is not the node's last one; {_ANEW}")
STALE = Refusal("stale", 403, "the machine was started too long ago; have it replaced")
TAKEN = Refusal("replayed", 403, "this machine has joined already; have it replaced")
DISMISSED = Refusal("revoked", 403, "the group's admission was revoked")
FULL = Refusal("full", 429, "the group has all the nodes that it may have", 30)


def on_joining(admission: Admission | None, joining: Joining, *, live: bool) -> Refusal | None:
    """None when the node may join.

    Args:
        admission: The record of the name that the node says.
        joining: What it sent.
        live: Whether the scheduler has a node of this name that is not gone.
    """
    if admission is None:
        return UNDECLARED
    if not admission.opened_by(joining.secret):
        return FOREIGN
    if admission.state == "revoked":
        return REVOKED
    if admission.state == "used":
        return REPLAYED
    return LIVE if live else None


def on_group(group: GroupAdmission | None, joining: Joining) -> Refusal | None:
    """None when a machine of the group may show what its cloud says of it."""
    if group is None:
        return UNDECLARED
    if not group.takes(joining.secret):
        return FOREIGN
    return DISMISSED if group.state == "revoked" else None


def on_machine(
    group: GroupAdmission,
    machine: Machine,
    admission: Admission | None,
    seen: Names,
    now: datetime,
) -> Refusal | None:
    """None when a machine that its cloud vouches for may join.

    Args:
        group: The record of the group that the machine says.
        machine: What the cloud says of it.
        admission: The record of its name.
        seen: The group's nodes in the scheduler.
        now: The time.
    """
    name = group.name(machine.id)
    if admission:
        return REVOKED if admission.state == "revoked" else TAKEN
    if not -_AHEAD <= now - machine.started <= FRESH:
        return STALE
    if name in seen.live:
        return LIVE
    return FULL if len(seen.live | unseen(group, seen, now) - {name}) >= group.room else None


def unseen(group: GroupAdmission, seen: Names, now: datetime) -> AbstractSet[str]:
    """Names that were let in just now and that the scheduler does not know yet.

    What it knows it counts itself, and what was known and is gone has its place no more.
    """
    new = {name for name, at in group.claims.items() if now.timestamp() - at < _UNSEEN_S}
    return new - seen.live - seen.gone


def on_renewal(admission: Admission | None, name: str, renewal: Renewal) -> Refusal | None:
    """None when the node may have another certificate; that its last has ended is no reason."""
    if not renewal.ours or renewal.holder != name:
        return NOT_OURS
    if not renewal.proven:
        return UNPROVEN
    if admission is None:
        return UNDECLARED
    if admission.state == "revoked":
        return REVOKED
    return None if admission.knows(renewal.serial) else SUPERSEDED
