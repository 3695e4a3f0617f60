"""Pulumi's language host for Python, for machines without the official one.

The engine starts it with its own address as the last argument, reads the port from the first
line of standard output, asks it to run the program (once to preview, once to update), and ends
it with a signal. It never outlives its engine, whatever the program is doing.
"""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pulumi
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2 as messages
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# The engine's own limit (rpcutil.MaxRPCMessageSize).
_MESSAGE_BYTES = 400 << 20


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """What the engine asks of a language.

    Args:
        engine: Address of the engine, where the program's log lines go.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self.cancelled = asyncio.Event()

    async def Run(  # noqa: N802, the protocol's names
        self, request: messages.RunRequest, _context: object
    ) -> messages.RunResponse:
        """Runs the program; its errors are told to the engine in the words of the SDK."""
        return await asyncio.to_thread(_run, request, self._engine)

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


def _run(request: messages.RunRequest, engine: str) -> messages.RunResponse:
    """Runs the program in the calling thread, whose context must be its own."""
    folder = Path(request.info.program_directory)
    program = folder / request.info.entry_point
    reset_options(
        project=request.project,
        stack=request.stack,
        root_directory=request.info.root_directory,
        parallel=request.parallel,
        engine_address=engine,
        monitor_address=request.monitor_address,
        preview=request.dryRun,
        organization=request.organization or "organization",
    )
    set_all_config(dict(request.config), list(request.configSecretKeys))
    os.chdir(request.pwd)
    sys.argv = [str(program), *request.args]
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        with asyncio.Runner() as runner:
            # Threads are made as they are wanted, and each waits for one answer of the engine.
            workers = ThreadPoolExecutor(max_workers=max(request.parallel, 1) * 4)
            runner.get_loop().set_default_executor(workers)
            return runner.run(_outcome(program, folder))
    finally:
        sys.path.remove(str(folder))
        _forget(folder, before)
        sys.stdout.flush()
        sys.stderr.flush()


async def _outcome(program: Path, folder: Path) -> messages.RunResponse:
    try:
        await run_in_stack(lambda: _execute(program))
    except pulumi.RunError as error:
        return _reported(str(error))
    except grpc.RpcError as error:
        code = getattr(error, "code", None)
        if code and code() is grpc.StatusCode.UNAVAILABLE:
            return messages.RunResponse(bail=True)  # the engine is stopping and has said why
        return _reported(_traceback(error, folder))
    except _Exit as error:
        if not error.failed:
            return messages.RunResponse()
        return messages.RunResponse(error=f"Program exited with non-zero exit code: {error}")
    except Exception as error:
        return _reported(_traceback(error, folder))
    return messages.RunResponse()


class _Exit(Exception):  # noqa: N818, not an error by itself
    """``sys.exit`` of the program, which must end the program and not this host."""

    def __init__(self, code: object) -> None:
        super().__init__("1" if isinstance(code, str) else str(code))
        self.failed = code not in (None, 0)


def _execute(program: Path) -> None:
    try:
        runpy.run_path(str(program), run_name="__main__")
    except SystemExit as error:
        if isinstance(error.code, str):
            pulumi.log.error(error.code)
        raise _Exit(error.code) from error


def _reported(text: str) -> messages.RunResponse:
    """Shows an error through the engine, which then stops without a further word."""
    pulumi.log.error(text)
    return messages.RunResponse(bail=True)


def _traceback(error: BaseException, folder: Path) -> str:
    """The traceback from the program's first line on, without what leads up to it."""
    start = error.__traceback__
    while start and not Path(start.tb_frame.f_code.co_filename).is_relative_to(folder):
        start = start.tb_next
    lines = traceback.format_exception(type(error), error, start or error.__traceback__)
    return "Program failed with an unhandled exception:\n" + "".join(lines)


def _forget(folder: Path, before: set[str]) -> None:
    """Drops the modules that came from the program's own folder, so that each run starts afresh."""
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if not origin or not Path(origin).is_relative_to(folder):
            continue
        # An environment inside the folder holds libraries, some of which load only once.
        if not Path(origin).is_relative_to(sys.prefix):
            del sys.modules[name]


async def _engine_gone(address: str) -> None:
    """Returns when nothing answers at the engine's address any more."""
    # The engine is on this machine, whatever proxy the environment names.
    options = [("grpc.enable_http_proxy", 0)]
    dead = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        # An idle connection may be closed and made anew; a dead engine refuses.
        state = channel.get_state(try_to_connect=True)
        while state not in dead:
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)


async def _serve(engine: str) -> None:
    """Serves until a signal, the engine's cancel, or its end."""
    host = LanguageHost(engine)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, host.cancelled.set)
    print(port, flush=True)  # noqa: T201, the protocol
    ends = {
        asyncio.create_task(host.cancelled.wait()),
        asyncio.create_task(_engine_gone(engine)),
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
