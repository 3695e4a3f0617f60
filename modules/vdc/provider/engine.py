"""The engine that has started this process, as the process sees it."""

from __future__ import annotations

import grpc

_GONE = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)


def connected(address: str) -> grpc.aio.Channel:
    """A connection to it; used as a context manager."""
    # It is on this machine, whatever proxy the environment names.
    return grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])


async def gone(address: str) -> None:
    """Returns when nothing is at its address any more.

    One that is slow to answer, on a machine that has much to do, is not gone.
    """
    async with connected(address) as channel:
        # An idle connection may be closed and made anew; a dead engine refuses.
        state = channel.get_state(try_to_connect=True)
        while state not in _GONE:
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)
