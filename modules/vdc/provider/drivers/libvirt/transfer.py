"""Bytes to and from a volume, through libvirt's own connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from vdc.provider.drivers.libvirt.sdk import libvirt

# What libvirt takes at a time, however much it is given.
_PACKET = 262_120
_NOTHING_YET = -2
# A console that says nothing for as long has no more to say.
_SILENCE_S = 0.5

Send = Callable[[Any, Any, Iterable[bytes]], None]
"""Connection, volume, content."""


def send(connection: Any, volume: Any, chunks: Iterable[bytes]) -> None:
    """Writes a volume from its beginning; what is left unwritten by a failure is of no use."""
    stream = connection.newStream(0)
    volume.upload(stream, 0, 0, 0)
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            sent = 0
            while sent < len(view):
                sent += stream.send(bytes(view[sent : sent + _PACKET]))
        stream.finish()
    except BaseException:
        stream.abort()
        raise


def tail(connection: Any, volume: Any, most: int) -> bytes:
    """The last ``most`` bytes of a volume, fewer when it is shorter."""
    _, size, _ = volume.info()
    offset = max(0, size - most)
    stream = connection.newStream(0)
    volume.download(stream, offset, size - offset, 0)
    parts: list[bytes] = []
    while part := stream.recv(most):
        parts.append(part)
    stream.finish()
    return b"".join(parts)


def backlog(connection: Any, domain: Any) -> bytes:
    """What a running domain has said on its console and nobody has read."""
    binding = libvirt()
    stream = connection.newStream(binding.VIR_STREAM_NONBLOCK)
    domain.openConsole(None, stream, 0)
    parts: list[bytes] = []
    silent_since = time.monotonic()
    while time.monotonic() - silent_since < _SILENCE_S:
        part = stream.recv(_PACKET)
        if part == _NOTHING_YET:
            time.sleep(_SILENCE_S / 10)
        elif not part:
            break
        else:
            parts.append(part)
            silent_since = time.monotonic()
    stream.abort()
    return b"".join(parts)
