"""The provider's process: started by the engine, ended with it.

The engine starts it with its own address as the last argument and reads the port from the first
line of standard output. An engine that is killed leaves its plugins alive; a provider that went
on alone would change machines that nobody records any more, so it watches the engine's
connection and ends when that breaks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from vdc.provider import engine
from vdc.provider.registry import maker, prepare
from vdc.provider.servicer import Servicer

# The engine's own limit (rpcutil.MaxRPCMessageSize).
_MESSAGE_BYTES = 400 << 20
# An engine that ends in order closes its server a moment before it ends its plugins.
_GRACE_S = 1.0


async def _engine_gone(address: str) -> None:
    await engine.gone(address)
    await asyncio.sleep(_GRACE_S)


async def serve(
    address: str | None, servicer: provider_pb2_grpc.ResourceProviderServicer | None = None
) -> None:
    """Serves until a signal, or until the engine at this address is gone; then ends the process.

    Args:
        address: The engine's.
        servicer: What is served, when it is not all our resources.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ]
    )
    served = servicer or Servicer(maker, prepare)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(served, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The engine starts its plugins in process groups of their own, so an interrupt is never the
    # user's (that comes as Cancel): it is the engine's way to say that the run is over.
    told_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ends: list[asyncio.Task[Any]] = [asyncio.create_task(told_to_end.wait())]
    if address is not None:
        ends.append(asyncio.create_task(_engine_gone(address)))
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    # At once: a handler that is waiting for a node must not act again. What it made bears our
    # mark and is taken over by the next run.
    os._exit(0 if told_to_end.is_set() else 1)
