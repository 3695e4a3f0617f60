"""The command line ``vdc``: every command group in one place, one line for each error."""

from __future__ import annotations

import sys

import typer

from vdc import __version__
from vdc.cli import declare, stack, toolchain
from vdc.errors import VdcError

app = typer.Typer(
    help="A whole data centre as one declaration and one pool.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vdc {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    """A whole data centre as one declaration and one pool."""
    del version
    _State.debug = debug


class _State:
    debug = False


for commands in (declare.app, stack.app):
    app.add_typer(commands)
app.add_typer(toolchain.app, name="toolchain")


def main() -> None:
    """Console script ``vdc``. Exit codes are those of the errors in :mod:`vdc.errors`."""
    try:
        app()
    except VdcError as error:
        if _State.debug:
            raise
        typer.echo(f"vdc: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
