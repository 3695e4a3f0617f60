"""``vdc supply``: software for a pool that reaches no package index."""

from __future__ import annotations

import typer

from vdc.commands.params import OutputOption, PackageArgument, YesOption
from vdc.commands.render import show
from vdc.commands.session import Session

app = typer.Typer()


@app.command()
def supply(
    context: typer.Context,
    package: PackageArgument,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Bring a package's software to a pool that cannot fetch it.

    It is fetched here, sent to the pool service, and held to the SHA-256 that the package names.
    What is there already stays; a transfer that was cut off goes on.

    Example: vdc supply spark, then vdc install spark
    """
    from vdc.client.software import supply as bring

    session = Session.of(context, output)
    said = ""

    def tell(what: str, _done: int, _total: int) -> None:
        nonlocal said
        if what != said:
            said = what
            session.note(what)

    with session.connect() as client:
        there = bring(client, package, tell)
    show(session, there)
