"""``vdc validate`` and ``vdc plan``: what a declaration says, before anything is done."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from vdc.cli.project import stack_name
from vdc.commands.params import OutputOption, YesOption
from vdc.commands.session import Output
from vdc.errors import DeclarationError

if TYPE_CHECKING:
    from vdc.declaration import Checked

app = typer.Typer()

STACKS = Path("stacks")


@app.command()
def validate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Declarations; default: every stacks/*.yaml."),
    ] = None,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Check declarations, offline: every problem at once, with its line and what to do."""
    # Here and below: the models' import would delay every command that checks nothing.
    from vdc.declaration import check

    results = {file: check(file) for file in files or declarations()}
    if not results:
        raise typer.BadParameter("there is no stacks/*.yaml here; name a file")
    if output is Output.JSON:
        typer.echo(json.dumps({"files": [_result(*item) for item in results.items()]}, indent=2))
    else:
        for file, checked in results.items():
            _say(file, checked)
    if any(checked.declaration is None for checked in results.values()):
        raise typer.Exit(DeclarationError.exit_code)


@app.command()
def plan(
    target: Annotated[
        str | None,
        typer.Argument(metavar="[STACK|FILE]", help="Default: $VDC_STACK, or the stack local."),
    ] = None,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001
) -> None:
    """Show the machines, capacity and price per hour that a declaration comes to."""
    from vdc.declaration import load
    from vdc.plan import plan as plan_of
    from vdc.plan import render

    made = plan_of(load(declaration_of(target)))
    if output is Output.JSON:
        typer.echo(json.dumps(render.document(made), indent=2))
    else:
        Console().print(render.table(made))


def declarations() -> list[Path]:
    """The declarations of this checkout; Pulumi keeps its own settings beside them."""
    return sorted(file for file in STACKS.glob("*.yaml") if not file.name.startswith("Pulumi."))


def declaration_of(target: str | None) -> Path:
    """The file of a stack; a file's own name stands for itself."""
    name = stack_name(target)
    is_file = name.endswith((".yaml", ".yml")) or os.sep in name
    return Path(name) if is_file else STACKS / f"{name}.yaml"


def _say(file: Path, checked: Checked) -> None:
    from vdc.plan import plan as plan_of
    from vdc.plan import render

    for problem in checked.problems:
        typer.echo(problem, err=True)
    if checked.declaration:
        typer.echo(f"{file}: ok ({render.summary(plan_of(checked.declaration))})")


def _result(file: Path, checked: Checked) -> dict[str, Any]:
    from vdc.plan import plan as plan_of
    from vdc.plan import render

    declaration = checked.declaration
    return {
        "file": str(file),
        "ok": declaration is not None,
        "problems": [asdict(problem) for problem in checked.problems],
        "plan": render.document(plan_of(declaration)) if declaration else None,
    }
