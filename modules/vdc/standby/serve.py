"""The standby of one engine: ``python -m vdc.standby.serve ENGINE MODULE...``.

ENGINE is the engine's process. The standby lives as long as the engine and what it forked. Where it
cannot be, or fails, the engine's processes do their work as if none had been meant to be there.
"""

from __future__ import annotations

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
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from vdc.standby.meeting import DESCRIPTORS, KIND, LONGEST, is_ours, of

# Commands of Pulumi that have programs and providers run.
_WORTH_IT = frozenset({"up", "update", "preview", "pre", "destroy", "down", "refresh"})
_HIGHEST_DESCRIPTOR = 256  # a standby holds a handful


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
        for name in modules:
            for _ in _parts(name):
                standby.answer_all()
                if name in standby.asked_for:
                    break  # and its fork imports the rest
        while standby.is_needed:
            standby.answer()


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
        self._engine_lives = True
        self._forks = 0
        self.asked_for: set[str] = set()
        ended = os.pidfd_open(engine)

        def outlive() -> None:
            # Its processes know, and end by themselves.
            self._events.unregister(ended)
            self._engine_lives = False

        self._on(ended, outlive)

    @property
    def is_needed(self) -> bool:
        return self._engine_lives or self._forks > 0

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

    def _on(self, source: Any, action: Callable[[], None]) -> None:
        self._events.register(source, selectors.EVENT_READ, action)

    def _greet(self) -> None:
        peer, _ = self._listener.accept()
        if is_ours(peer):
            self._on(peer, lambda: self._fork(peer))
        else:
            peer.close()

    def _fork(self, peer: socket.socket) -> None:
        self._events.unregister(peer)
        said, descriptors, _, _ = socket.recv_fds(peer, LONGEST, DESCRIPTORS)
        request = json.loads(said) if said else {}
        # A fork has only the thread that forks, and whatever another one held stays held.
        alone = len(list(Path("/proc/self/task").iterdir())) == 1
        if not alone or request.get("prefix") != sys.prefix:
            peer.close()
        elif fork := os.fork():
            self.asked_for.add(request["module"])
            _tell(peer, fork)
            self._watch(fork, peer)
        else:
            _become(request, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    def _watch(self, fork: int, peer: socket.socket) -> None:
        """Until the fork ends, by itself or because the process that asked for it has."""
        ended = os.pidfd_open(fork)

        def left() -> None:
            self._events.unregister(peer)
            os.kill(fork, signal.SIGKILL)

        def over() -> None:
            self._events.unregister(ended)
            if peer in self._events.get_map():
                self._events.unregister(peer)
            os.close(ended)
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


def _become(request: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """What the process that asked would have been."""
    code = 1
    try:
        _take_places(request["descriptors"], descriptors)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.argv = request["arguments"]
        gc.freeze()  # nor need a fork look through it
        gc.enable()
        import_module(request["module"]).main()
        code = 0
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            code = end.code or 0
        else:
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        # What the standby would do at its own end is none of a fork's business.
        os._exit(code)


def _take_places(places: list[int], descriptors: list[int]) -> None:
    """Gives descriptors the numbers they have there, and closes all others."""
    aside = [os.dup2(held, _HIGHEST_DESCRIPTOR + held) for held in descriptors]
    os.closerange(0, _HIGHEST_DESCRIPTOR)
    for place, held in zip(places, aside, strict=True):
        os.dup2(held, place)
    os.closerange(_HIGHEST_DESCRIPTOR, 2 * _HIGHEST_DESCRIPTOR)


def main() -> None:
    """Ends without a word, whatever happens."""
    # A shell has what it starts in the background ignore these.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    try:
        serve(int(sys.argv[1]), sys.argv[2:])
    finally:
        os._exit(0)  # tidying up after all those modules takes longer than all else here


if __name__ == "__main__":
    main()
