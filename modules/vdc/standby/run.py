"""Does a process's work in the engine's standby where there is one.

Imports little: until the standby is reached, all that is imported here is time lost.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from types import FrameType

from vdc.standby.meeting import DESCRIPTORS, KIND, LONGEST, is_ours, of

TYPE_CHECKING = False
if TYPE_CHECKING:  # as in vdc/__init__.py
    from typing import NoReturn

_PASSED_ON = (signal.SIGINT, signal.SIGTERM)  # with which an engine ends a plugin, and people do


def run(module: str) -> None:
    """Calls a module's ``main`` in a fork of the standby, or else here.

    In a fork it finds the arguments, environment, working directory and descriptors of this
    process, which passes on what asks it to end, and ends with the fork and as it did. A fork never
    outlives it.

    Raises:
        SystemExit: The fork has ended.
    """
    # Before there is a socket, which would be one of them.
    descriptors = [number for number in range(DESCRIPTORS) if _is_open(number)]
    if standby := _reached():
        with standby:
            if fork := _fork(standby, module, descriptors):
                _end_as(_followed(standby, fork))
    import_module(module).main()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _reached() -> socket.socket | None:
    """A connection to the engine's standby; None where there is none."""
    parent = os.getppid()
    while parent:  # the engine is the parent of a provider, and of a program's host
        try:
            address, parent = of(parent)
            standby = socket.socket(socket.AF_UNIX, KIND)
        except OSError:
            return None  # it has just ended; or this is no Linux
        try:
            standby.setblocking(False)  # another user's could keep us waiting
            standby.connect(address)
            if is_ours(standby):
                standby.setblocking(True)
                return standby
        except OSError:
            pass  # it is not the engine, or the engine has none
        standby.close()
    return None


def _fork(standby: socket.socket, module: str, descriptors: list[int]) -> int | None:
    """The process that works for this one; None when there will be none."""
    request = {  # vdc.standby.serve.Request, which takes long to import
        "prefix": sys.prefix,
        "module": module,
        "arguments": sys.argv,
        "folder": os.getcwd(),  # noqa: PTH109, as pathlib takes long to import
        "environment": dict(os.environ),
        "descriptors": descriptors,
    }
    try:
        socket.send_fds(standby, [json.dumps(request).encode()], descriptors)
        return int(standby.recv(LONGEST) or 0) or None
    except OSError:
        return None  # it has ended, or the environment is larger than a packet


def _followed(standby: socket.socket, fork: int) -> int:
    """Waits for the end of a fork; returns its exit code, or less than 0 for a signal."""

    def passed_on(number: int, _frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(fork, number)

    for number in _PASSED_ON:
        signal.signal(number, passed_on)
    try:
        said = standby.recv(LONGEST)
    except OSError:
        said = b""
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_IGN)
    if not said:  # the standby was killed, and nobody watches over the fork
        with suppress(ProcessLookupError):
            os.killpg(fork, signal.SIGKILL)
    return int(said or -signal.SIGKILL)


def _end_as(code: int) -> NoReturn:
    if code >= 0:
        sys.exit(code)
    with suppress(OSError, ValueError):  # nobody can be asked to ignore SIGKILL
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    sys.exit(1)  # of a signal that ends nobody, a fork has not ended either
