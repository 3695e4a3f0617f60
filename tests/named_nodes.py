"""Nodes that the scheduler takes for ready, each no more than a name behind a connection.

Each is registered over a connection of its own, as an agent would be: 150 of them are 150 agents
behind one address, without their memory. They send no heartbeat.
"""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from nomad_lab import NomadLab
from vdc.scheduler.client import Nomad

# First bytes of a connection: what follows is TLS, and in it calls in MessagePack.
_TLS, _CALLS = b"\x04", b"\x01"


@contextmanager
def named_nodes(lab: NomadLab, names: Sequence[str], site: str, group: str) -> Iterator[None]:
    """Registers them; their connections stay open as long as the block."""
    host, port = lab.rpc.rsplit(":", 1)
    tls = lab.access().tls()
    with ExitStack() as stack:
        for name, token in zip(names, asyncio.run(_introduced(lab, names)), strict=True):
            plain = stack.enter_context(socket.create_connection((host, int(port)), 30))
            plain.sendall(_TLS)
            wrapped = tls.wrap_socket(plain, server_hostname="server.global.nomad")
            connection = stack.enter_context(wrapped)
            connection.sendall(_CALLS)
            node = {
                "ID": str(uuid.uuid4()), "SecretID": str(uuid.uuid4()), "Name": name,
                "Datacenter": site, "NodeClass": group, "NodePool": "default", "Status": "ready",
                "Attributes": {"nomad.version": "1.11.3"},
            }  # fmt: skip
            call = {"ServiceMethod": "Node.Register", "Seq": 1}
            body = {"Node": node, "Region": "global", "AuthToken": token}
            connection.sendall(_packed(call) + _packed(body))
            said = connection.recv(65536)
            assert b"\xa5Error\xa0" in said, said
        yield


async def _introduced(lab: NomadLab, names: Sequence[str]) -> list[str]:
    async with Nomad(lab.access()) as nomad:
        return [await nomad.introduction(name, 300) for name in names]


def _packed(value: Any) -> bytes:
    """MessagePack, as far as these calls need it."""
    if isinstance(value, int):
        return bytes([value])
    if isinstance(value, str):
        raw = value.encode()
        return b"\xda" + len(raw).to_bytes(2, "big") + raw
    pairs = b"".join(_packed(part) for pair in value.items() for part in pair)
    return bytes([0x80 | len(value)]) + pairs
