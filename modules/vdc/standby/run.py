"""Does a process's work in the engine's standby where there is one.

Imports little: until the standby is reached, all that is imported here is time lost.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from importlib import import_module
from types import FrameType

from vdc.standby.meeting import DESCRIPTORS, KIND, LONGEST, is_ours, of


def run(module: str) -> None:
    """Calls a module's ``main`` in a fork of the standby, or else here.

    In a fork it finds the arguments, environment, working directory and descriptors of this
    process, which passes signals on, ends with the fork and as it did. A fork never outlives it.

    Raises:
        SystemExit: The fork has ended.
    """
    # Before there is a socket, which would be one of them.
    descriptors = [number for number in range(DESCRIPTORS) if _is_open(number)]
    with socket.socket(socket.AF_UNIX, KIND) as standby:
        fork = _fork(standby, module, descriptors)
        if fork:
            sys.exit(_followed(standby, fork))
    import_module(module).main()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _fork(standby: socket.socket, module: str, descriptors: list[int]) -> int | None:
    """The process that works for this one; None when there will be none."""
    parent = os.getppid()
    while parent > 1:  # the engine is the parent of a provider, and of a program's host
        try:
            address, parent = of(parent)
        except OSError:
            return None  # it has just ended
        try:
            standby.connect(address)
        except OSError:
            continue  # it is not the engine, or the engine has none
        return _answer(standby, module, descriptors)
    return None


def _answer(standby: socket.socket, module: str, descriptors: list[int]) -> int | None:
    request = {
        "prefix": sys.prefix,
        "module": module,
        "arguments": sys.argv,
        "folder": os.getcwd(),  # noqa: PTH109, as pathlib takes long to import
        "environment": dict(os.environ),
        "descriptors": descriptors,
    }
    if not is_ours(standby):
        return None
    try:
        socket.send_fds(standby, [json.dumps(request).encode()], descriptors)
        return int(standby.recv(LONGEST) or 0) or None
    except OSError:
        return None  # it has ended, or the environment is larger than a packet


def _followed(standby: socket.socket, fork: int) -> int:
    """Waits for the end of a fork; returns its exit code, 128 and the number for a signal."""

    def passed_on(number: int, _frame: FrameType | None) -> None:
        os.kill(fork, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, passed_on)
    try:
        said = standby.recv(LONGEST)
    except OSError:
        said = b""
    if not said:
        os.kill(fork, signal.SIGKILL)  # the standby was killed, and nobody watches over the fork
        return 128 + signal.SIGKILL
    code = int(said)
    return code if code >= 0 else 128 - code
