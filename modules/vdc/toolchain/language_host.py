"""Pulumi's language host for Python, for machines without the official one.

The engine starts it with its own address as the last argument, reads the port from the first
line of standard output, asks it to run the program (once to preview, once to update), and ends
it with a signal. It never outlives its engine, whatever the program is doing. Every command starts
one only to ask for versions, so Pulumi's SDK is imported when there is a program to run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from vdc.provider import engine
from vdc.provider.protocol import with_sdk, without_sdk

without_sdk()

from pulumi.runtime.proto import language_pb2 as messages  # noqa: E402
from pulumi.runtime.proto import (  # noqa: E402
    language_pb2_grpc,
    plugin_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The engine's own limit (rpcutil.MaxRPCMessageSize).
_MESSAGE_BYTES = 400 << 20


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """What the engine asks of a language.

    Args:
        address: Of the engine, where the program's log lines go.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self.cancelled = asyncio.Event()

    async def Run(  # noqa: N802, the protocol's names
        self, request: messages.RunRequest, _context: object
    ) -> messages.RunResponse:
        """Runs the program; its errors are told to the engine in the words of the SDK."""
        waking = asyncio.create_task(wake(request))
        try:
            return await asyncio.to_thread(_run, request, self._address)
        finally:
            waking.cancel()

    async def Cancel(self, _request: Empty, _context: object) -> Empty:  # noqa: N802
        """Ends the host and whatever the program is doing."""
        self.cancelled.set()
        return Empty()

    async def Handshake(  # noqa: N802
        self, _request: messages.LanguageHandshakeRequest, _context: object
    ) -> messages.LanguageHandshakeResponse:
        """There is nothing to agree on."""
        return messages.LanguageHandshakeResponse()

    async def GetPluginInfo(self, _request: Empty, _context: object) -> plugin_pb2.PluginInfo:  # noqa: N802
        """The version of the SDK that this host runs programs with."""
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    async def About(  # noqa: N802
        self, _request: messages.AboutRequest, _context: object
    ) -> messages.AboutResponse:
        """The interpreter."""
        version = ".".join(str(part) for part in sys.version_info[:3])
        return messages.AboutResponse(executable=sys.executable, version=version)

    async def GetRequiredPlugins(  # noqa: N802
        self, _request: messages.GetRequiredPluginsRequest, _context: object
    ) -> messages.GetRequiredPluginsResponse:
        """None that the engine should fetch: the project file names its provider."""
        return messages.GetRequiredPluginsResponse()

    async def GetRequiredPackages(  # noqa: N802
        self, _request: messages.GetRequiredPackagesRequest, _context: object
    ) -> messages.GetRequiredPackagesResponse:
        """None that the engine should fetch: the project file names its provider."""
        return messages.GetRequiredPackagesResponse()

    async def InstallDependencies(  # noqa: N802
        self, _request: messages.InstallDependenciesRequest, _context: object
    ) -> AsyncIterator[messages.InstallDependenciesResponse]:
        """Nothing: the host runs in the environment that has them."""
        lines: tuple[messages.InstallDependenciesResponse, ...] = ()
        for line in lines:
            yield line

    async def GetProgramDependencies(  # noqa: N802
        self, _request: messages.GetProgramDependenciesRequest, _context: object
    ) -> messages.GetProgramDependenciesResponse:
        """Left to pip."""
        return messages.GetProgramDependenciesResponse()


def _run(request: messages.RunRequest, address: str) -> messages.RunResponse:
    with_sdk()
    from vdc.toolchain.program import run

    return run(request, address)


async def wake(request: messages.RunRequest) -> None:
    """Has the engine start the providers that the project names, while the program is imported.

    The engine would start each at the program's first resource, and the program would wait. It
    starts one as well for a function, whose answer nobody waits for and which there need not be.
    """
    async with engine.connected(request.monitor_address) as channel:
        monitor = resource_pb2_grpc.ResourceMonitorStub(channel)
        for name in _providers(Path(request.info.root_directory)):
            with suppress(grpc.RpcError):
                await monitor.Invoke(resource_pb2.ResourceInvokeRequest(tok=f"{name}:index:wake"))


def _providers(root: Path) -> list[str]:
    """The names of the providers that a project brings along; none when its file says nothing."""
    import yaml

    with suppress(OSError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        project = yaml.safe_load((root / "Pulumi.yaml").read_text(encoding="utf-8"))
        return [str(plugin["name"]) for plugin in project["plugins"]["providers"]]
    return []


async def _serve(address: str) -> None:
    """Serves until a signal, the engine's cancel, or its end."""
    host = LanguageHost(address)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, host.cancelled.set)
    print(port, flush=True)  # noqa: T201, the protocol
    ends = {
        asyncio.create_task(host.cancelled.wait()),
        asyncio.create_task(engine.gone(address)),
    }
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await server.stop(grace=0.2)  # so that an answer to Cancel still leaves


def main() -> None:
    """Runs the host; the engine's address is the last argument."""
    # What the program prints reaches the engine line by line.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with suppress(KeyboardInterrupt), asyncio.Runner() as runner:
        runner.run(_serve(sys.argv[-1]))
        # Not by returning: Python would wait for the program's thread.
        os._exit(0)


if __name__ == "__main__":
    main()
