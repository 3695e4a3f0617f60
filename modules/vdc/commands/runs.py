"""``vdc run`` and ``vdc submit``: programs that run once, as if they ran here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vdc.client.models import Run, RunRequest, Stream
from vdc.commands.exits import NEVER_RAN
from vdc.commands.params import AppArgument, OutputOption, YesOption
from vdc.commands.render import show
from vdc.commands.results import Finished
from vdc.commands.session import Session
from vdc.errors import PoolError

if TYPE_CHECKING:
    from vdc.client import PoolClient

app = typer.Typer()

_EXAMPLE = "example:"

DetachOption = Annotated[
    bool, typer.Option("--detach", "-d", help="Print the run's name and return at once.")
]
Words = Annotated[
    list[str] | None, typer.Argument(metavar="[-- ARGS]...", help="Arguments of the program.")
]


@app.command()
def run(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND...", help="Program and arguments; there is no shell."),
    ] = None,
    cpu: Annotated[int, typer.Option(min=1, metavar="MHZ", help="One core counts 1,000.")] = 100,
    memory: Annotated[int, typer.Option(min=10, metavar="MIB", help="Memory.")] = 128,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Set a variable; can be repeated."),
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only on this site.")] = None,
    group: Annotated[str | None, typer.Option(help="Only on this group of nodes.")] = None,
    detach: DetachOption = False,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Run a command once on some node.

    What it prints is printed here, and its exit code is the exit code here. Without a command,
    the runs are listed. Ctrl-C stops the run.

    Example: vdc run --memory 512 -- python3 -c 'print(6*7)'
    """
    session = Session.of(context, output)
    if not command:
        with session.connect() as client:
            show(session, client.runs())
        return
    request = RunRequest(
        command=tuple(command), cpu_mhz=cpu, memory_mib=memory, env=_environment(env or []),
        site=site, group=group,
    )  # fmt: skip
    _carry_out(session, lambda client: client.run(request), detach)


@app.command()
def submit(
    context: typer.Context,
    name: AppArgument,
    program: Annotated[
        str,
        typer.Argument(
            metavar="PROGRAM|example:NAME",
            help="A file here, or one of the package's examples.",
        ),
    ],
    args: Words = None,
    detach: DetachOption = False,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Run a program on an app, such as a Spark cluster.

    What it prints is printed here, and its exit code is the exit code here.

    Example: vdc submit pi example:pi -- 20
    """
    session = Session.of(context, output)
    words = tuple(args or ())
    if program.startswith(_EXAMPLE):
        example = program.removeprefix(_EXAMPLE)
        _carry_out(session, lambda client: client.submit(name, example=example, args=words), detach)
        return
    try:
        content = session.read(Path(program))
    except OSError as error:
        raise typer.BadParameter(f"{program}: {error.strerror or error}") from error
    _carry_out(session, lambda client: client.submit(name, program=content, args=words), detach)


def _environment(settings: list[str]) -> dict[str, str]:
    variables = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--env {setting}: write it as NAME=VALUE")
        variables[name] = value
    return variables


def _carry_out(session: Session, start: Callable[[PoolClient], Run], detach: bool) -> None:
    """Starts a run and stays with it to its end."""
    with session.connect() as client:
        begun = start(client)
        if detach:
            show(session, begun)
            return
        try:
            ended, stdout, stderr = _watched(session, client, begun.id)
        except KeyboardInterrupt:
            client.stop_run(begun.id)
            session.note(f"{begun.id} is stopped")
            raise
    if session.as_json:
        text = [stream.decode(errors="replace") for stream in (stdout, stderr)]
        show(session, Finished(ended, *text))
    elif ended.exit_code is None:
        session.note(f"{ended.id} {ended.state}: {ended.reason or 'it has no exit code'}")
    raise typer.Exit(NEVER_RAN if ended.exit_code is None else ended.exit_code)


def _watched(session: Session, client: PoolClient, run_id: str) -> tuple[Run, bytes, bytes]:
    """The ended run; what it prints is passed on at once, or collected for JSON."""
    streams: list[tuple[Stream, Callable[[bytes], None]]] = [
        ("stdout", session.write), ("stderr", session.write_error),
    ]  # fmt: skip
    collected: dict[str, bytearray] = {name: bytearray() for name, _ in streams}
    readers = [
        threading.Thread(
            target=_read,
            args=(session, run_id, name, collected[name].extend if session.as_json else write),
            daemon=True,  # Ctrl-C does not wait for output
        )
        for name, write in streams
    ]
    for reader in readers:
        reader.start()
    ended = client.wait_run(run_id)
    for reader in readers:
        reader.join()
    return ended, bytes(collected["stdout"]), bytes(collected["stderr"])


def _read(session: Session, run_id: str, stream: Stream, take: Callable[[bytes], None]) -> None:
    # A connection of its own: a client serves one thread.
    with session.connect() as client:
        try:
            for chunk in client.run_logs(run_id, stream=stream, follow=True):
                take(chunk)
        except PoolError as error:
            if error.status != 404:  # it ended before it printed anything
                session.note(f"{stream} is cut off: {error}")
