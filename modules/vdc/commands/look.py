"""``vdc status pool nodes library apps events``: commands that change nothing."""

from __future__ import annotations

import typer

from vdc.commands.params import (
    OptionalAppArgument,
    OptionalPackageArgument,
    OutputOption,
    YesOption,
)
from vdc.commands.render import show, show_event
from vdc.commands.results import Status
from vdc.commands.session import Session
from vdc.errors import PoolError

app = typer.Typer()


@app.command()
def status(context: typer.Context, output: OutputOption = None, yes: YesOption = False) -> None:  # noqa: ARG001
    """Show how the pool and its apps are. Exit code 4 when something is not well."""
    session = Session.of(context, output)
    with session.connect() as client:
        found = Status(client.address, client.pool(), tuple(client.apps()))
    show(session, found)
    if not found.well:
        raise typer.Exit(PoolError.exit_code)


@app.command()
def pool(context: typer.Context, output: OutputOption = None, yes: YesOption = False) -> None:  # noqa: ARG001
    """Show capacity by site and group. Allocated is what work has reserved."""
    session = Session.of(context, output)
    with session.connect() as client:
        show(session, client.pool())


@app.command()
def nodes(context: typer.Context, output: OutputOption = None, yes: YesOption = False) -> None:  # noqa: ARG001
    """Show every machine of the pool."""
    session = Session.of(context, output)
    with session.connect() as client:
        show(session, client.nodes())


@app.command()
def library(
    context: typer.Context,
    package: OptionalPackageArgument = None,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Show what can be installed. With a name, one package and its options."""
    session = Session.of(context, output)
    with session.connect() as client:
        show(session, client.package(package) if package else client.library())


@app.command()
def apps(
    context: typer.Context,
    name: OptionalAppArgument = None,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Show what is installed. With a name, one app and where it answers."""
    session = Session.of(context, output)
    with session.connect() as client:
        show(session, client.app(name) if name else client.apps())


@app.command()
def events(context: typer.Context, output: OutputOption = None, yes: YesOption = False) -> None:  # noqa: ARG001
    """Show every change as it happens. Ctrl-C ends it."""
    session = Session.of(context, output)
    with session.connect() as client:
        for event in client.events():
            if event.kind != "reset":  # says only that changes may have been missed
                show_event(session, event)
