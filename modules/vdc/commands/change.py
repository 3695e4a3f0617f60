"""``vdc install scale stop logs``: what is done with an app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vdc.client.models import App, InstallRequest, Stream
from vdc.commands.chosen import chosen_options
from vdc.commands.params import (
    AppArgument,
    AppOrRunArgument,
    OutputOption,
    PackageArgument,
    TimeoutOption,
    YesOption,
    is_run,
)
from vdc.commands.progress import shown
from vdc.commands.render import show
from vdc.commands.results import Gone
from vdc.commands.session import Session
from vdc.commands.waiting import within

app = typer.Typer()

NameOption = Annotated[
    str | None,
    typer.Option("--name", "-n", help="Name of the app; a package can be installed many times.",
                 show_default="the package's"),
]  # fmt: skip
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set an option; can be repeated."),
]
ValuesOption = Annotated[
    Path | None,
    typer.Option("--values", "-f", metavar="FILE", help="YAML or JSON file with options."),
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Return when the app is healthy, or at once.")
]
CountArgument = Annotated[
    str,
    typer.Argument(metavar="[GROUP=]COUNT", help="How many; of the package's main group if none "
                   "is named."),
]  # fmt: skip


@app.command()
def install(
    context: typer.Context,
    package: PackageArgument,
    name: NameOption = None,
    settings: SetOption = None,
    values: ValuesOption = None,
    wait: WaitOption = True,
    timeout: TimeoutOption = None,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Install a package. Returns when it is healthy.

    The same again with other options changes the app in place; with the same options it
    changes nothing. `vdc library PACKAGE` shows the options.

    Example: vdc install spark --name pi --set workers=2
    """
    session = Session.of(context, output)
    app_name = name or package
    with session.connect() as client, shown(session) as tell:
        schema = client.package(package).options
        options = chosen_options(schema, settings or [], values, session.read)

        def work() -> App:
            if not wait:
                request = InstallRequest(package=package, name=app_name, options=options)
                return client.begin_install(request)
            client.install(package, app_name, options, on_progress=tell)
            return client.app(app_name)  # with its endpoints

        installed = within(timeout, work, _late(app_name, timeout))
    show(session, installed)


@app.command()
def scale(
    context: typer.Context,
    name: AppArgument,
    count: CountArgument,
    timeout: TimeoutOption = None,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Change how many instances an app has. Returns when they are healthy.

    Example: vdc scale web 5, or with a task group: vdc scale pi worker=3
    """
    session = Session.of(context, output)
    group, _, number = count.rpartition("=")
    if not number.isdecimal():
        raise typer.BadParameter(f"{count}: write a whole number, or GROUP=NUMBER")
    with session.connect() as client, shown(session) as tell:

        def work() -> App:
            client.scale(name, int(number), group, on_progress=tell)
            return client.app(name)

        scaled = within(timeout, work, _late(name, timeout))
    show(session, scaled)


@app.command()
def stop(
    context: typer.Context,
    name: AppOrRunArgument,
    purge: Annotated[
        bool, typer.Option("--purge", help="Forget it too: its options, its secrets, its history.")
    ] = False,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Stop an app or a run. An app that is not purged can be installed again as it was."""
    session = Session.of(context, output)
    with session.connect() as client:
        if is_run(name):
            client.stop_run(name)
        else:
            client.stop(name, purge=purge)
    show(session, Gone(name, purge))


@app.command()
def logs(
    context: typer.Context,
    name: AppOrRunArgument,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until it ends.")] = False,
    task: Annotated[
        str, typer.Option(help="Task of the app; vdc apps APP lists them.", show_default="first")
    ] = "",
    stderr: Annotated[
        bool, typer.Option("--stderr", help="What it wrote to standard error.")
    ] = False,
    tail: Annotated[int | None, typer.Option(min=0, metavar="LINES", help="Only the last.")] = None,
    output: OutputOption = None,  # noqa: ARG001 - what a program wrote has no other form
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Print what an app or a run has written."""
    session = Session.of(context)
    stream: Stream = "stderr" if stderr else "stdout"
    with session.connect() as client:
        if is_run(name):
            chunks = client.run_logs(name, stream=stream, follow=follow, tail=tail)
        else:
            chunks = client.logs(name, task=task, stream=stream, follow=follow, tail=tail)
        for chunk in chunks:
            session.write(chunk)


def _late(name: str, seconds: float | None) -> str:
    return f"{name} is not healthy after {seconds} s; it goes on: vdc apps {name}"
