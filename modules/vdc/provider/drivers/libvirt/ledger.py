"""Which hosts a group has touched, and where its nodes went: this user's memory of it.

What exists is read from the hosts. The ledger only says which hosts to read, also those that left
the declaration, and which nodes are on a host that does not answer: without it they would look
like nodes that are gone, and be made a second time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vdc.home import Home
from vdc.provider import processes
from vdc.provider.drivers.libvirt.model import HostSpec

_FOLDER = "libvirt"


class KnownHost(BaseModel):
    """How a host was reached."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    uri: str
    identity: str = ""
    pool: str = ""

    def spec(self, name: str) -> HostSpec:
        """The host as the driver takes it."""
        return HostSpec(name, self.uri, self.identity, self.pool)


class Ledger(BaseModel):
    """One group's memory."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    realm: str
    owner: str
    hosts: dict[str, KnownHost] = {}
    nodes: dict[str, str] = {}


def path(stack: str, owner: str) -> Path:
    """The ledger of one group."""
    return _folder(stack) / f"{'.'.join(owner.split('/')[1:])}.json"


def load(file: Path, realm: str, owner: str) -> Ledger:
    """What is remembered; nothing when there is no ledger, or one of another realm."""
    found = _read(file)
    return found if found and found.realm == realm else Ledger(realm=realm, owner=owner)


def save(file: Path, ledger: Ledger) -> None:
    """Writes the memory, or removes it when there is nothing to remember."""
    if ledger.hosts:
        processes.write_private(file, ledger.model_dump_json())
    else:
        file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other groups' are in it, or it was never made
            file.parent.rmdir()


def all_of(stack: str) -> list[tuple[Path, Ledger]]:
    """Every group of the stack that has touched a host."""
    files = sorted(_folder(stack).glob("*.json"))
    return [(file, found) for file in files if (found := _read(file))]


def _folder(stack: str) -> Path:
    return Home.of_user().stack(stack).root / _FOLDER


def _read(file: Path) -> Ledger | None:
    try:
        return Ledger.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
