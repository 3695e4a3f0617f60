"""Connections to hosts: opened once, checked to be the declared machine, used from few threads."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from vdc.errors import NodeError, UnreachableNodeError
from vdc.provider.drivers.libvirt.model import HostSpec
from vdc.provider.drivers.libvirt.sdk import connect, libvirt, parsed

# A daemon does one thing at a time to a storage pool; more callers at once only wait there.
AT_ONCE = 4
_OPEN_S = 30.0
# A host that let us wait in vain is not waited for again in the same run.
_MUTE_S = 60.0

T = TypeVar("T")
Work = Callable[["Host"], T]


class HostError(UnreachableNodeError):
    """A host cannot be used at all: no answer, or another machine than the declared one."""


class Host:
    """One libvirt host, shared by all groups of this process.

    Attributes:
        shared: What nodes have in common there.
    """

    def __init__(self, spec: HostSpec) -> None:
        self.spec = spec
        self.shared = _SHARED[spec.daemon]
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"host-{spec.name}")
        # Apart from the others, which may all be at work for longer than an answer may take.
        self._door = ThreadPoolExecutor(1, thread_name_prefix=f"door-{spec.name}")
        self._opening = threading.Lock()
        self._connection: Any = None
        self._mute_until = 0.0

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"host {self.spec.name} ({self.spec.uri})"

    async def run(self, work: Work[T]) -> T:
        """Runs blocking work in one of the host's threads.

        Raises:
            HostError: The host cannot be reached, or is another machine than the declared one.
            NodeError: What the work raised, or libvirt's own refusal.
        """
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        if time.monotonic() < self._mute_until:
            raise self._unreachable("it has just not answered")
        try:
            async with asyncio.timeout(_OPEN_S):
                await loop.run_in_executor(self._door, self._open)
        except TimeoutError:
            self._mute_until = time.monotonic() + _MUTE_S
            raise self._unreachable(f"no answer in {_OPEN_S:.0f} s") from None
        return await loop.run_in_executor(self._threads, context.run, self._guarded, work)

    def _guarded(self, work: Work[T]) -> T:
        with self.stage("asked"):
            return work(self)

    @property
    def connection(self) -> Any:
        """The connection, opened again when it has broken.

        Raises:
            HostError: See :meth:`run`.
        """
        return self._open()

    def _open(self) -> Any:
        with self._opening:
            known = self._connection
            if known is not None and known.isAlive():
                return known
            try:
                opened = connect(self.spec.uri)
                self._recognise(opened)
            except libvirt().libvirtError as error:
                raise self._unreachable(_said(error)) from None
            self._connection = opened
            return opened

    def _unreachable(self, reason: str) -> HostError:
        return HostError(f"{self.label}: connect: it cannot be reached: {reason}")

    def _recognise(self, connection: Any) -> None:
        """Refuses a host that is not the declared one: an address can lead to another machine."""
        if not self.spec.identity:
            return
        told = parsed(connection.getCapabilities()).findtext("host/uuid", "")
        if told.lower() != self.spec.identity.lower():
            raise HostError(
                f"{self.label}: identity: it reports {told or '(none)'} and the declaration says "
                f"{self.spec.identity}; the address leads to another machine, or the declaration "
                "is to be corrected"
            )

    @contextmanager
    def stage(self, what: str) -> Iterator[None]:
        """Names the host and what was going on in whatever fails inside."""
        try:
            yield
        except libvirt().libvirtError as error:
            raise NodeError(f"{self.label}: {what}: {_said(error)}") from None
        except NodeError as error:
            if str(error).startswith(self.label):
                raise
            raise NodeError(f"{self.label}: {what}: {error}") from None


@dataclass
class Shared:
    """What nodes have in common on one daemon, whatever driver makes them.

    Attributes:
        pools: Held for moments, by who makes a storage pool, starts it, or ends it.
        changing: Held by who makes or removes what is in it; an upload takes minutes.
        starting: Held by who starts a container: libvirt asks the kernel for a free loop device
            and takes it in two steps, so that two could be given the same.
        users: How many nodes are being made from it.
    """

    pools: threading.RLock = field(default_factory=threading.RLock)
    changing: threading.RLock = field(default_factory=threading.RLock)
    starting: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


_SHARED: defaultdict[str, Shared] = defaultdict(Shared)


@cache
def host(spec: HostSpec) -> Host:
    """The one Host of this process for what is declared so."""
    return Host(spec)


def _said(error: Any) -> str:
    return " ".join((error.get_error_message() or str(error)).split())
