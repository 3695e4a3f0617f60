"""How far a node got that the pool has not seen: for the message when its time is up."""

from __future__ import annotations

from typing import Any

from vdc.provider import console
from vdc.provider.drivers.openstack.listing import Server
from vdc.provider.drivers.openstack.sdk import sdk

_LINES = 200


def told(connection: Any, known: Server) -> str:
    """The state of a server, its fault, the stage it has reached and its last words. Blocks."""
    failures = sdk().exceptions
    try:
        server = Server.of(connection.compute.get_server(known.id))
    except failures.NotFoundException:
        return f"the cloud no longer has the server {known.id}"
    fault = f": {server.fault}" if server.fault else ""
    running = server.status == "ACTIVE"
    text = _console(connection, server) if running else ""
    stage = console.stage(running=running, address=server.address, console=text)
    return f"server {server.id} is {server.status}{fault}; {stage}{console.quoted(text)}"


def _console(connection: Any, server: Server) -> str:
    """The end of what it said; nothing where the cloud keeps that to itself."""
    try:
        output = connection.compute.get_server_console_output(server.id, length=_LINES)
    except sdk().exceptions.HttpException:
        return ""
    return console.legible(str(output.get("output", "")).encode())
