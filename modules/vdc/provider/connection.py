"""Connections to the scheduler from keys that exist only in memory."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from vdc.errors import SchedulerError
from vdc.provider.resource import Inputs
from vdc.scheduler.access import Access
from vdc.scheduler.client import Nomad

_RESTART_S = 30
_POLL_S = 0.05


class SchedulerInputs(Inputs):
    """How a resource reaches the scheduler.

    Attributes:
        addresses: ``https://host:port`` of each server.
        rpc: ``host:port`` that agents dial.
        ca_cert: PEM.
        cert: PEM of a client certificate.
        key: PEM of its key; a Pulumi secret.
        token: ACL token; a Pulumi secret; empty before there is one.
    """

    addresses: tuple[str, ...]
    rpc: tuple[str, ...]
    ca_cert: str
    cert: str
    key: str
    token: str = ""

    def connect(self) -> Nomad:
        """A connection; use it as an async context manager."""
        with _files(self.ca_cert, self.cert, self.key) as (ca, cert, key):
            return Nomad(Access(self.addresses, ca, cert, key, self.token))

    @asynccontextmanager
    async def each(self, addresses: Sequence[str]) -> AsyncIterator[tuple[Nomad, ...]]:
        """A connection to each of these servers and to no other."""
        async with AsyncExitStack() as stack:
            alone = (self.model_copy(update={"addresses": (address,)}) for address in addresses)
            yield tuple([await stack.enter_async_context(one.connect()) for one in alone])


async def recognised(nomad: Nomad) -> None:
    """Returns once the scheduler knows the caller's token; there is no event for that.

    Servers that have just started, after a reboot for one, still read what they knew, and until
    then refuse everybody. Who is refused or not answered for another reason is told by the call
    that follows.
    """
    deadline = asyncio.get_running_loop().time() + _RESTART_S
    while asyncio.get_running_loop().time() < deadline:
        try:
            await nomad.call("GET", "/v1/acl/token/self")
        except SchedulerError as error:
            if error.status not in (403, 500):
                return
            await asyncio.sleep(_POLL_S)
        else:
            return


@contextmanager
def _files(*texts: str) -> Iterator[list[Path]]:
    """Paths with the given contents, which Python's TLS insists on, gone at exit.

    On Linux they are memory of this process and never touch a disk.
    """
    with ExitStack() as stack:
        paths = []
        for text in texts:
            if hasattr(os, "memfd_create"):
                descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
                stack.callback(os.close, descriptor)
                os.write(descriptor, text.encode())
                paths.append(Path(f"/proc/self/fd/{descriptor}"))
            else:
                file = stack.enter_context(tempfile.NamedTemporaryFile("w"))
                file.write(text)
                file.flush()
                paths.append(Path(file.name))
        yield paths
