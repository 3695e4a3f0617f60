"""Where an engine's standby and the processes of that engine meet.

Imported before anything else by processes that are in a hurry: without what takes long to import,
which `pathlib` does.
"""

from __future__ import annotations

import os
import socket
import sys

ADDRESS = "vdc-standby"
"""What every standby's address begins with, before the engine's number and beginning."""

KIND = socket.SOCK_SEQPACKET
"""One message is one packet, with the descriptors that belong to it."""

LONGEST = 1 << 20
"""Bytes of a message that are read; by default Linux sends a fifth of that."""

DESCRIPTORS = 5
"""Standard input, output, error, and the two on which a language host speaks with a program."""

_CREDENTIALS_BYTES = 12  # struct ucred: process, user, group
_NAMESPACES = ("mnt", "pid", "user")


def of(process: int) -> tuple[str, int]:
    """The address of a process's standby, and the number of the process's parent.

    The address is abstract, so that nothing is left of it, and tells apart processes which have the
    same number one after the other.

    Raises:
        OSError: There is no such process.
    """
    with open(f"/proc/{process}/stat", errors="replace") as file:  # noqa: PTH123
        fields = file.read().rpartition(")")[2].split()  # after the name, which may hold anything
    parent, began = int(fields[1]), fields[19]  # began: ticks since the boot (proc_pid_stat(5))
    return f"\0{ADDRESS}-{process}-{began}", parent


def is_ours(peer: socket.socket) -> bool:
    """Whether the process at the other end is of the same user, and in no other container.

    Whoever shares the network can take the address or connect to it, and containers may share it.

    Raises:
        OSError: It is gone, or not to be seen from here.
    """
    told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS_BYTES)
    number, user = (int.from_bytes(told[i : i + 4], sys.byteorder) for i in (0, 4))
    return user == os.geteuid() and _namespaces(number) == _namespaces("self")


def _namespaces(process: int | str) -> list[str]:
    return [os.readlink(f"/proc/{process}/ns/{kind}") for kind in _NAMESPACES]  # noqa: PTH115
