"""Network namespaces with names, as ``ip netns`` keeps them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Namespace:
    """A network namespace; making and removing it are idempotent."""

    name: str

    @property
    def path(self) -> Path:
        """The file that stands for it, and is there as long as it is."""
        return Path("/run/netns", self.name)

    def make(self) -> None:
        """With its loopback up."""
        if not self.path.exists():
            _ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def remove(self) -> None:
        """With every device in it, and the other ends of those that are pairs."""
        if self.path.exists():
            _ip("netns", "delete", self.name)

    def ip(self, *arguments: str) -> None:
        """One ``ip`` command in it."""
        _ip("-n", self.name, *arguments)

    def bridge(self, name: str, address: str) -> None:
        """A bridge that is up and has an address (``10.0.0.1/24``)."""
        # Of its own, as one that is not told takes the lowest of its ports' and so another with
        # each machine that comes or goes: the others would go on sending to the old one.
        mac = zlib.crc32(f"{self.name} {name}".encode()).to_bytes(4, "big").hex(":")
        self.ip("link", "add", "name", name, "address", f"02:00:{mac}", "type", "bridge")
        self.ip("address", "add", address, "dev", name)
        self.ip("link", "set", name, "up")

    def cable(self, port: str, bridge: str, other: Namespace, other_port: str, to: str) -> None:
        """Joins a bridge here to a bridge ``to`` in another namespace."""
        peer = ("peer", "name", other_port, "netns", other.name)
        self.ip("link", "add", "name", port, "type", "veth", *peer)
        self.ip("link", "set", port, "master", bridge, "up")
        other.ip("link", "set", other_port, "master", to, "up")

    def command(self, *words: str) -> tuple[str, ...]:
        """A command, to be run in it."""
        return ("nsenter", f"--net={self.path}", "--", *words)

    def entered(self) -> AbstractContextManager[None]:
        """See :func:`entered`."""
        return entered(self.path)


@contextmanager
def entered(namespace: Path) -> Iterator[None]:
    """This thread, and threads it starts meanwhile, are in it; others are not."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    inside = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(inside)
        try:
            yield
        finally:
            _setns(before)
    finally:
        os.close(inside)
        os.close(before)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, stdin=subprocess.DEVNULL)


def _setns(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter a network namespace")
