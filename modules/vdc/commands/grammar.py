"""The pool's commands as one application.

The console's panel calls :data:`app` with a :class:`~vdc.commands.session.Session` of its own as
the context's object: ``app(args, obj=session)``. The command line has them beside its own.
"""

from __future__ import annotations

import typer

from vdc.commands import change, look, runs, supply

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
for part in (look, change, supply, runs):
    app.add_typer(part.app)
