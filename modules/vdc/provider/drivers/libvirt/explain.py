"""How far a node got that the pool has not seen: for the message when its time is up."""

from __future__ import annotations

from typing import Any

from vdc.provider import console
from vdc.provider.drivers.libvirt import survey, transfer
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.sdk import libvirt, present
from vdc.provider.drivers.libvirt.store import Store

_BYTES = 65536


def explain(host: Host, names: Names, name: str) -> str:
    """The stage that a node has reached, and the last lines of its console. Blocks."""
    with host.stage("look-up"):
        domain = present(host.connection.lookupByName, name)
        if domain is None:
            return f"{host.label}: nothing of it is there"
        running = bool(domain.isActive())
        address = survey.address(domain) if running else ""
        said = _console(host, names, name, domain)
    stage = console.stage(running=running, address=address, console=said)
    return f"{host.label}: {stage}{console.quoted(said)}"


def _console(host: Host, names: Names, name: str, domain: Any) -> str:
    """The end of what a machine said: kept in a volume, or by libvirt as far as nobody read it."""
    pool = Store(host, names, transfer.send).pool()
    kept = pool and present(pool.storageVolLookupByName, names.console(name))
    try:
        if kept is not None:
            return console.legible(transfer.tail(host.connection, kept, _BYTES))
        if domain.isActive():
            return console.legible(transfer.backlog(host.connection, domain))
    except libvirt().libvirtError:
        return ""  # the stage is worth more than the lines
    return ""
