"""A Pulumi program in Python, run as its language host is told to.

It reads the engine's requests from descriptor 3 (one to preview, one to update), each with its
length in eight bytes before it, and writes the responses in the same way to descriptor 4.
Descriptor 3 stays open for as long as the host lives; the process ends with it, whatever the
program is doing.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import queue
import re
import runpy
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import grpc
import pulumi
from pulumi.runtime import reset_options, run_in_stack, set_all_config
from pulumi.runtime.proto import language_pb2 as messages

_UNANSWERED = re.compile(
    r"invoke of (?P<question>\S+) failed: "
    r"(invocation of \S+ returned an error: )?(?P<reason>.*)",
    re.DOTALL,
)
_ASKED, _ANSWERED = 3, 4
_LENGTH = 8


def prepare() -> Iterator[None]:
    """Imports what the program of a stack of ours imports; yields after each part."""
    for name in ("declaration.model", "declaration.loader", "sites.datacenter"):
        import_module(f"vdc.{name}")
        yield


def run(request: messages.RunRequest, engine: str) -> messages.RunResponse:
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
        return _reported(_unanswered(error) or _traceback(error, folder))
    return messages.RunResponse()


class _Exit(Exception):  # noqa: N818, not an error by itself
    """``sys.exit`` of the program, which must end the program and not this process."""

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


def _unanswered(error: Exception) -> str | None:
    """What a provider said to a question of the program that it could not answer.

    The traceback would begin inside Pulumi, since nobody waits for the answer where it is asked.
    """
    said = _UNANSWERED.fullmatch(str(error)) if type(error) is Exception else None
    return f"{said['question']}: {said['reason']}" if said else None


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


def _take(requests: queue.SimpleQueue[messages.RunRequest]) -> None:
    """Passes on what the host asks for, and ends the process when the host has."""
    with open(_ASKED, "rb") as asked:
        while size := asked.read(_LENGTH):
            requests.put(messages.RunRequest.FromString(asked.read(int.from_bytes(size))))
    os._exit(0)


def main() -> None:
    """Runs programs until the host ends; the engine's address is the argument."""
    for descriptor in (_ASKED, _ANSWERED):
        os.set_inheritable(descriptor, False)  # a child that stays must not hold them open
    engine = sys.argv[1]  # a program is given arguments of its own
    requests: queue.SimpleQueue[messages.RunRequest] = queue.SimpleQueue()
    threading.Thread(target=_take, args=(requests,), daemon=True).start()
    with open(_ANSWERED, "wb", buffering=0) as answers:
        while True:
            context = contextvars.copy_context()
            response = context.run(run, requests.get(), engine).SerializeToString()
            answers.write(len(response).to_bytes(_LENGTH) + response)
