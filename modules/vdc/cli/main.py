"""The command line ``vdc``: every group of commands in one place, one line for each error."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from vdc import __version__
from vdc.cli import clouds, declare, stack, toolchain
from vdc.cli.project import STACK_VARIABLE, stack_name
from vdc.client import PoolClient, Profile
from vdc.commands import PARTS, Session
from vdc.commands.exits import INTERRUPTED, TABLE
from vdc.errors import VdcError
from vdc.home import Home

app = typer.Typer(
    help="A whole data centre as one declaration and one pool.",
    epilog=TABLE,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(declare.app)
app.add_typer(stack.app)
app.add_typer(clouds.app)
for part in PARTS:
    app.add_typer(part)
app.add_typer(toolchain.app, name="toolchain")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vdc {__version__}")
        raise typer.Exit


@app.callback()
def root(
    name: Annotated[
        str | None, typer.Option("--stack", help="The stack; $VDC_STACK, else local.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - its callback has acted
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """A whole data centre as one declaration and one pool."""
    if name:
        os.environ[STACK_VARIABLE] = name
    if debug:
        os.environ[_DEBUG_VARIABLE] = "1"


_DEBUG_VARIABLE = "VDC_DEBUG"


def _connect() -> PoolClient:
    return PoolClient.of(Profile.load(Home.of_user(), stack_name()))


def main() -> None:
    """Console script ``vdc``. Exit codes are those of the errors in :mod:`vdc.errors`."""
    try:
        # As the context's object from the start: completion runs no callback.
        app(obj=Session.of_terminal(_connect))
    except VdcError as error:
        if os.environ.get(_DEBUG_VARIABLE):
            raise
        typer.echo(f"vdc: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
