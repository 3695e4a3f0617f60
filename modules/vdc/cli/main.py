"""The command line ``vdc``: every command in one place, one line for each error."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vdc import __version__
from vdc.cli.project import STACK_VARIABLE, stack_name
from vdc.commands.exits import INTERRUPTED, TABLE
from vdc.commands.session import Session
from vdc.errors import VdcError
from vdc.home import Home

if TYPE_CHECKING:
    from vdc.client import PoolClient

PARTS: Mapping[str, tuple[str, ...]] = {
    "vdc.cli.declare": ("validate", "plan"),
    "vdc.cli.stack": ("up", "preview", "destroy", "init", "env", "token"),
    "vdc.cli.clouds": ("preflight", "reap"),
    "vdc.commands.look": ("status", "pool", "nodes", "library", "apps", "events"),
    "vdc.commands.change": ("install", "scale", "stop", "logs"),
    "vdc.commands.supply": ("supply",),
    "vdc.commands.runs": ("run", "submit"),
    "vdc.cli.toolchain": ("toolchain",),
}
"""The module whose ``app`` has each command, in the order in which help lists them."""


class Commands(TyperGroup):
    """Every command, its module imported when it is asked for: most need few of the libraries."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, which no module needs to be imported for."""
        return [name for names in PARTS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; one that there is not is looked for everywhere, to suggest another."""
        if cmd_name not in self.commands:
            known = [module for module, names in PARTS.items() if cmd_name in names]
            for module in known or PARTS:
                self._take_in(import_module(module).app)
        return super().get_command(ctx, cmd_name)

    def _take_in(self, part: typer.Typer) -> None:
        for command in typer.main.get_group(part).commands.values():
            self.add_command(command)


app = typer.Typer(
    cls=Commands,
    help="A whole data centre as one declaration and one pool.",
    epilog=TABLE,
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
    from vdc.client import PoolClient, Profile

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
