"""The grammar of the pool's commands and their handlers over the API.

The command line and the console's panel both call :data:`app`, each with its own
:class:`Session` as the context's object: ``app(args, obj=session)``.
"""

from __future__ import annotations

import typer

from vdc.commands import change, look, runs, supply
from vdc.commands.session import Output, Session

PARTS = (look.app, change.app, supply.app, runs.app)
"""In the order in which help lists them; to be added to a larger application one by one."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
for part in PARTS:
    app.add_typer(part)

__all__ = ["PARTS", "Output", "Session", "app"]
