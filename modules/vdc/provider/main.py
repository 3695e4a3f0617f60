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

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from vdc.provider.registry import RESOURCES
from vdc.provider.servicer import Servicer

# The engine's own limit (rpcutil.MaxRPCMessageSize).
_MESSAGE_BYTES = 400 << 20


async def _engine_gone(address: str) -> None:
    """Returns when the engine's address, once reached, can be reached no more."""
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        state = grpc.ChannelConnectivity.READY
        while state is grpc.ChannelConnectivity.READY:
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)
            if state in (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING):
                # An idle connection may be closed and made anew; a dead engine refuses.
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)


async def _serve(engine: str | None) -> None:
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ]
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(
        Servicer(resource() for resource in RESOURCES), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # The engine tells us by Cancel that the user interrupted; the terminal's signal is not ours.
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: None)
    if engine is None:
        await server.wait_for_termination()
        return
    await _engine_gone(engine)
    # At once: a handler that is waiting for a node must not act again. What it made bears our
    # mark and is taken over by the next run.
    os._exit(1)


def main() -> None:
    """Console script ``pulumi-resource-vdc``."""
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    asyncio.run(_serve(arguments[-1] if arguments else None))


if __name__ == "__main__":
    main()
