"""How far a node got that the pool has not seen: for the message when its time is up."""

from __future__ import annotations

import re
from typing import Any

from vdc.provider.drivers.libvirt import survey, transfer
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.sdk import libvirt, present
from vdc.provider.drivers.libvirt.store import Store

_LINES = 12
_BYTES = 65536
_CONFIGURING = re.compile(r"Cloud-init v\. \S+ running|[Ii]gnition\[")
_CONFIGURED = re.compile(r"Cloud-init v\. \S+ finished|Ignition finished successfully")
# Colours, cursor movements, and whatever else would act on the reader's terminal.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[^\[]|[^\x20-\x7e\n]")


def explain(host: Host, names: Names, name: str) -> str:
    """The stage that a node has reached, and the last lines of its console. Blocks."""
    with host.stage("look-up"):
        domain = present(host.connection.lookupByName, name)
        if domain is None:
            return f"{host.label}: nothing of it is there"
        running = bool(domain.isActive())
        address = survey.address(domain) if running else ""
        console = _console(host, names, name, domain)
    said = stage(running=running, address=address, console=console)
    lines = _last(console)
    quoted = "".join(f"\n    | {line}" for line in lines)
    return f"{host.label}: {said}" + (f"; its console ends with{quoted}" if lines else "")


def stage(*, running: bool, address: str, console: str) -> str:
    """The last of the stages that shows: defined, booted, address, cloud-init, agent. Pure."""
    if not running:
        return "stage defined: it does not run"
    if _CONFIGURED.search(console):
        return "stage agent: it has carried out its user data, and its agent has not reported"
    if address or _CONFIGURING.search(console):
        as_whom = f" as {address}" if address else ""
        return f"stage cloud-init: it runs{as_whom} and has not carried out its user data"
    return "stage address: it runs and has shown no address yet"


def legible(raw: bytes) -> str:
    """A console's bytes as lines of plain text. Pure."""
    text = raw.decode("ascii", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _UNPRINTABLE.sub("", text)


def _last(console: str) -> list[str]:
    """The last lines; of lines that differ in figures and stars alone, as in a count, the last."""
    lines = [line.rstrip() for line in console.splitlines() if line.strip()]
    skeletons = [re.sub(r"[^A-Za-z]", "", line) for line in lines]
    after = [*skeletons[1:], ""]
    told = [lines[i] for i in range(len(lines)) if skeletons[i] != after[i]]
    return told[-_LINES:]


def _console(host: Host, names: Names, name: str, domain: Any) -> str:
    """The end of what a machine said: kept in a volume, or by libvirt as far as nobody read it."""
    pool = Store(host, names, transfer.send).pool()
    kept = pool and present(pool.storageVolLookupByName, names.console(name))
    try:
        if kept is not None:
            return legible(transfer.tail(host.connection, kept, _BYTES))
        if domain.isActive():
            return legible(transfer.backlog(host.connection, domain))
    except libvirt().libvirtError:
        return ""  # the stage is worth more than the lines
    return ""
