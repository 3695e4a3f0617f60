"""Options and arguments that several commands share, with what the shell completes for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from vdc.commands.session import Output, Session
from vdc.errors import VdcError

if TYPE_CHECKING:
    from vdc.client import PoolClient


def _names(ask: Callable[[PoolClient], list[str]]) -> Callable[[typer.Context, str], list[str]]:
    """A completion that asks the pool; one that does not answer completes nothing."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        try:
            with Session.of(context).connect() as client:
                return [name for name in ask(client) if name.startswith(incomplete)]
        except (VdcError, TypeError):
            return []

    return complete


def _apps(client: PoolClient) -> list[str]:
    return [app.name for app in client.apps()]


def _apps_and_runs(client: PoolClient) -> list[str]:
    return [*_apps(client), *(run.id for run in client.runs())]


def _packages(client: PoolClient) -> list[str]:
    return [package.name for package in client.library()]


OutputOption = Annotated[
    Output | None,
    typer.Option("--output", "-o", help="How the result is written.", show_default="table"),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Go on without asking; accepted everywhere.")
]
AppArgument = Annotated[
    str,
    typer.Argument(metavar="APP", help="Name of an installed app.", autocompletion=_names(_apps)),
]
OptionalAppArgument = Annotated[
    str | None,
    typer.Argument(metavar="[APP]", help="Only this one, in detail.", autocompletion=_names(_apps)),
]
AppOrRunArgument = Annotated[
    str,
    typer.Argument(
        metavar="APP|RUN",
        help="Name of an app, or of a run (run-...).",
        autocompletion=_names(_apps_and_runs),
    ),
]
PackageArgument = Annotated[
    str,
    typer.Argument(
        metavar="PACKAGE",
        help="A package of the library; see vdc library.",
        autocompletion=_names(_packages),
    ),
]
OptionalPackageArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[PACKAGE]",
        help="Only this one, with its options.",
        autocompletion=_names(_packages),
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0,
        help="Wait no longer than this; what was asked for goes on.",
        show_default="as long as it takes",
    ),
]


def is_run(name: str) -> bool:
    """Whether a name is that of a run: the pool gives no app such a name."""
    return name.startswith("run-")
