"""The standby of one engine: ``python -m vdc.standby.serve ENGINE MODULE...``.

ENGINE is the engine's process. The standby lives as long as the engine and what it forked. Where it
cannot be, or fails, the engine's processes do their work as if none had been meant to be there.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from vdc.standby.meeting import DESCRIPTORS, KIND, LONGEST, is_ours, of

# Commands of Pulumi that have programs and providers run.
_WORTH_IT = frozenset({"up", "update", "preview", "pre", "destroy", "down", "refresh"})


@dataclass(frozen=True)
class Request:
    """Of a process, for a fork that is what it would have been.

    Attributes:
        prefix: The environment of its Python.
        descriptors: The numbers that those sent along have there.
    """

    prefix: str
    module: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    descriptors: list[int]


def serve(engine: int, modules: Sequence[str]) -> None:
    """Imports the modules, and forks whenever a process of the engine asks; ends with the engine.

    It answers between imports: what a fork lacks by then, it imports itself. A module that needs
    more later offers an iterator ``prepare``, which imports it and yields after each part.

    Raises:
        OSError: The engine is gone, or has a standby.
    """
    address, _ = of(engine)
    words = Path(f"/proc/{engine}/cmdline").read_text(errors="replace").split("\0")
    if not _WORTH_IT.intersection(words):
        return
    with socket.socket(socket.AF_UNIX, KIND) as listener:
        listener.bind(address)
        listener.listen()
        standby = _Standby(engine, listener)
        gc.disable()  # nothing of what is imported is ever garbage
        try:
            _import(modules, standby)
        except Exception:
            traceback.print_exc()
            standby.retire()  # whoever works goes on, and whoever comes hears the reason itself
        while standby.is_needed:
            standby.answer()


def _import(modules: Sequence[str], standby: _Standby) -> None:
    for name in modules:
        for _ in _parts(name):
            standby.answer_all()
            if name in standby.asked_for:
                break  # and its fork imports the rest


def _parts(name: str) -> Iterator[None]:
    yield  # it may be asked for by now
    module = import_module(name)
    yield
    yield from getattr(module, "prepare", tuple)()


class _Standby:
    """Forks for those who connect.

    Attributes:
        asked_for: The modules whose work is done in a fork.
    """

    def __init__(self, engine: int, listener: socket.socket) -> None:
        self._events = selectors.DefaultSelector()  # each with what is to be done about it
        self._listener = listener
        self._on(listener, self._greet)
        # When the engine is gone its processes know, and end by themselves.
        self._on(os.pidfd_open(engine), self.retire)
        self._forks = 0
        self.asked_for: set[str] = set()

    @property
    def is_needed(self) -> bool:
        return self._listener.fileno() >= 0 or self._forks > 0

    def answer(self, seconds: float | None = None) -> bool:
        """Does one thing when there is one, within these seconds; whether it did."""
        events = self._events.select(seconds)
        for key, _ in events[:1]:  # which may be the end of the others
            key.data()
        return bool(events)

    def answer_all(self) -> None:
        """Does what there is to do by now."""
        while self.answer(0):
            pass

    def retire(self) -> None:
        """Forks no more, and is there for the forks that work."""
        for key in list(self._events.get_map().values()):
            if key.data in (self._greet, self.retire):
                self._events.unregister(key.fileobj)
        self._listener.close()

    def _on(self, source: Any, action: Callable[[], None]) -> None:
        self._events.register(source, selectors.EVENT_READ, action)

    def _greet(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            self.retire()  # of too many descriptors, there will not be fewer
            return
        with suppress(OSError):  # it has just ended
            if is_ours(peer):
                self._on(peer, lambda: self._answer(peer))
                return
        peer.close()

    def _answer(self, peer: socket.socket) -> None:
        self._events.unregister(peer)
        descriptors: list[int] = []
        try:
            said, descriptors, _, _ = socket.recv_fds(peer, LONGEST, DESCRIPTORS)
            self._fork(Request(**json.loads(said)), descriptors, peer)
        except Exception:  # it is no request, or there can be no fork
            traceback.print_exc()
            peer.close()  # it works itself
        for descriptor in descriptors:
            os.close(descriptor)

    def _fork(self, request: Request, descriptors: list[int], peer: socket.socket) -> None:
        # A fork has only the thread that forks, and whatever another one held stays held.
        alone = len(list(Path("/proc/self/task").iterdir())) == 1
        if not alone or request.prefix != sys.prefix:
            peer.close()
            return
        fork = os.fork()
        if not fork:
            _become(request, descriptors)
        self._watch(fork, peer)
        self.asked_for.add(request.module)
        _tell(peer, fork)

    def _watch(self, fork: int, peer: socket.socket) -> None:
        """Until the fork ends, by itself or because the process that asked for it has."""
        with suppress(OSError):  # done already, or too late
            os.setpgid(fork, fork)
        ended = os.pidfd_open(fork)

        def end() -> None:
            # With what it has started: an engine ends a plugin's process group.
            with suppress(ProcessLookupError):
                os.killpg(fork, signal.SIGKILL)

        def left() -> None:
            self._events.unregister(peer)
            end()

        def over() -> None:
            self._events.unregister(ended)
            if peer in self._events.get_map():
                self._events.unregister(peer)
            os.close(ended)
            end()
            _, status = os.waitpid(fork, 0)
            _tell(peer, os.waitstatus_to_exitcode(status))
            peer.close()
            self._forks -= 1

        self._on(peer, left)
        self._on(ended, over)
        self._forks += 1


def _tell(peer: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody is there any more, which is seen in its turn
        peer.send(str(number).encode())


def _become(request: Request, descriptors: list[int]) -> NoReturn:
    """What the process that asked would have been."""
    code = 1
    try:
        os.setpgid(0, 0)
        _take_places(request.descriptors, descriptors)
        os.environ.clear()
        os.environ.update(request.environment)
        os.chdir(request.folder)
        sys.argv = request.arguments
        gc.freeze()  # nor need a fork look through it
        gc.enable()
        code = _worked(request.module)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        # What the standby would do at its own end is none of a fork's business.
        os._exit(code)


def _worked(module: str) -> int:
    """Calls a module's ``main``; returns the exit code."""
    try:
        import_module(module).main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    return 0


def _take_places(places: list[int], descriptors: list[int]) -> None:
    """Gives descriptors the numbers they have there, and closes all others."""
    aside = [fcntl.fcntl(held, fcntl.F_DUPFD, DESCRIPTORS) for held in descriptors]
    os.closerange(0, DESCRIPTORS)
    for place, held in zip(places, aside, strict=True):
        os.dup2(held, place)
    os.closerange(DESCRIPTORS, os.sysconf("SC_OPEN_MAX"))


def main() -> None:
    """The command; ends at once, since tidying up after all those modules takes longer."""
    # A shell has what it starts in the background ignore these.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    # gRPC reads it when it is imported, and else writes to what a fork's child, such as ssh, was to
    # say why it failed.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    code = 1
    try:
        serve(int(sys.argv[1]), sys.argv[2:])
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
