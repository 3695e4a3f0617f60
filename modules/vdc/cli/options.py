"""Options that several commands of this layer share."""

from __future__ import annotations

from typing import Annotated

import typer

StackOption = Annotated[
    str | None,
    typer.Option("--stack", "-s", help="The stack; $VDC_STACK, else local.", show_default=False),
]
