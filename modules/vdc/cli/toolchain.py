"""``vdc toolchain``: the engines on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from vdc.commands.params import OutputOption, YesOption
from vdc.commands.session import Output
from vdc.errors import ToolchainError
from vdc.home import Home
from vdc.toolchain import status as found

if TYPE_CHECKING:
    from vdc.toolchain.found import Found

app = typer.Typer()
_toolchain = typer.Typer(
    help="The Pulumi CLI, Nomad and the Python language host.", no_args_is_help=True
)
app.add_typer(_toolchain, name="toolchain")


@_toolchain.command()
def install(output: OutputOption = None, yes: YesOption = False) -> None:  # noqa: ARG001
    """Obtain Pulumi and Nomad: from PATH, a release or source."""
    # Here, because the HTTP client that it needs would delay every other command.
    from vdc.toolchain import install as toolchain
    from vdc.toolchain.progress import reporter

    _show(toolchain.install(Home.of_user(), reporter()), output)


@_toolchain.command()
def status(output: OutputOption = None, yes: YesOption = False) -> None:  # noqa: ARG001
    """Show where they are; exit code 3 if one is missing."""
    engines = found.status(Home.of_user())
    _show(engines, output)
    if not all(engine.ok for engine in engines):
        raise typer.Exit(ToolchainError.exit_code)


def _show(engines: tuple[Found, ...], output: Output | None) -> None:
    if output is Output.JSON:
        typer.echo(found.as_json(engines))
    else:
        found.show(engines)
