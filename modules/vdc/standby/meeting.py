"""Where an engine's standby and the processes of that engine meet."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

ADDRESS = "vdc-standby"
"""What every standby's address begins with, before the engine's number and beginning."""

KIND = socket.SOCK_SEQPACKET
"""One message is one packet, with the descriptors that belong to it."""

LONGEST = 1 << 20
"""Bytes of a message, more than Linux lets into such a socket: environments are of this order."""

DESCRIPTORS = 5
"""Standard input, output, error, and the two on which a language host speaks with a program."""

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


@dataclass(frozen=True)
class Process:
    """A process that lives: its number, its parent's, and when it began, in ticks since boot."""

    number: int
    parent: int
    began: int

    @property
    def address(self) -> str:
        """That of its standby: abstract, so that nothing is left of it when it ends."""
        return f"\0{ADDRESS}-{self.number}-{self.began}"

    @property
    def words(self) -> list[str]:
        """Its command line."""
        return Path(f"/proc/{self.number}/cmdline").read_text(errors="replace").split("\0")


def process(number: int) -> Process:
    """What is known of one (proc_pid_stat(5)).

    Raises:
        OSError: There is none.
    """
    text = Path(f"/proc/{number}/stat").read_text(errors="replace")
    fields = text.rpartition(")")[2].split()  # after the name, which may hold anything
    return Process(number, int(fields[1]), int(fields[19]))


def is_ours(peer: socket.socket) -> bool:
    """Whether the process at the other end is of the same user; any could take the address."""
    told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    return bool(user == os.geteuid())
