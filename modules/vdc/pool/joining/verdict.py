"""Whether a node is taken in, and if not, why. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from vdc.pool.joining.petition import Joining, Renewal
from vdc.provider.admission import Admission

_STRANGER = "this name is not admitted with this secret"
_ANEW = "have the node admitted anew (`vdc up`)"


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
