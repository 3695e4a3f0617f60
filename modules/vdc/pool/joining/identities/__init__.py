"""How clouds vouch for their machines, one module for each way; ``VERIFIERS`` is the registry.

A verifier reads what a machine sends and what is declared of its group, and says which machine it
is. It decides nothing about joining.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module

from vdc.provider.enrolment import Identity


@dataclass(frozen=True)
class Evidence:
    """What a machine sends: its cloud's words about it, and the cloud's signature, as text."""

    document: str
    signature: str


@dataclass(frozen=True)
class Machine:
    """A machine that its cloud vouches for.

    Attributes:
        id: What the cloud calls it, small letters, digits and hyphens; never given to another.
        started: When it was started last.
    """

    id: str
    started: datetime


class NotVouchedForError(Exception):
    """The evidence does not speak for a machine of the group.

    Attributes:
        reason: One word for the audit.
    """

    def __init__(self, reason: str, line: str) -> None:
        super().__init__(line)
        self.reason = reason


Verifier = Callable[[Identity, Evidence], Machine]


def verify(identity: Identity, evidence: Evidence) -> Machine:
    """Which machine of a group it is.

    Raises:
        NotVouchedForError: The cloud does not vouch for one.
    """
    verifier = VERIFIERS.get(identity.verifier)
    if verifier is None:
        raise NotVouchedForError("verifier", f"nobody here reads {identity.verifier} documents")
    return verifier(identity, evidence)


def _module(name: str) -> Verifier:
    def verifier(identity: Identity, evidence: Evidence) -> Machine:
        made: Machine = import_module(f"{__name__}.{name}").verify(identity, evidence)
        return made

    return verifier


VERIFIERS: Mapping[str, Verifier] = {"pkcs7-document": _module("pkcs7_document")}
"""By name; each raises :class:`NotVouchedForError`. A module is imported when it is first used."""
