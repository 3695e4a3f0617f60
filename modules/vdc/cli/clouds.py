"""``vdc preflight`` and ``vdc reap``: what the back ends of sites say when they are asked."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from vdc.cli import mend
from vdc.cli.options import StackOption
from vdc.cli.project import Stack, find_stack
from vdc.cli.state import read
from vdc.commands.params import OutputOption, YesOption
from vdc.commands.session import Output
from vdc.errors import (
    DeclarationError,
    MissingExtraError,
    NodeError,
    Problem,
    StackError,
    VdcError,
)

if TYPE_CHECKING:
    from vdc.plan import Plan, Site
    from vdc.provider.leftovers import Carried

app = typer.Typer()

SiteOption = Annotated[
    str | None, typer.Option("--site", metavar="NAME", help="Only where this site is.")
]


def _say(message: str) -> None:
    typer.echo(f"vdc: {message}", err=True)


@app.command()
def preflight(
    stack: StackOption = None,
    output: OutputOption = None,
    yes: YesOption = False,  # noqa: ARG001 - accepted everywhere; nothing is asked here
) -> None:
    """Ask every site's cloud whether it would carry the declaration; nothing is changed.

    Credential, region, quota, image, size and network: every problem at once, with its line.
    """
    here = find_stack(stack)
    plan = _plan(here)
    problems = _problems(here, plan)
    errors = [problem for problem in problems if problem.level == "error"]
    if output is Output.JSON:
        found = [asdict(problem) for problem in problems]
        typer.echo(json.dumps({"stack": here.name, "ok": not errors, "problems": found}, indent=2))
    else:
        for problem in problems:
            typer.echo(problem, err=True)
        if not errors:
            names = ", ".join(_asked(plan.sites)) or "no site has a cloud to ask"
            typer.echo(f"{_file(here)}: ready ({names})")
    if errors:
        raise typer.Exit(DeclarationError.exit_code)


def require(stack: Stack) -> None:
    """Refuses to go on where a site's back end would not carry the declaration.

    Raises:
        DeclarationError: With every problem; warnings alone are said and passed over.
    """
    problems = _problems(stack, _plan(stack))
    if any(problem.level == "error" for problem in problems):
        raise DeclarationError(problems)
    for problem in problems:
        typer.echo(problem, err=True)


@app.command()
def reap(
    stack: StackOption = None,
    site: SiteOption = None,
    output: OutputOption = None,
    yes: YesOption = False,
) -> None:
    """List what carries the stack's tags in its clouds and is in no state; with --yes remove it.

    It works without a state, too: then everything with the tags counts as forgotten.
    """
    here = find_stack(stack)
    plan = _plan(here)
    sites = [known for known in plan.sites if site in (None, known.name)]
    if not sites:
        raise typer.BadParameter(f"{site} is no site of {here.declaration.name}")
    environment = here.shell()
    _settle(here)
    found = _unrecorded(here, environment, plan.name, sites)
    if not found:
        names = ", ".join(_asked(sites)) or "any site: none has a cloud to ask"
        _report(here, (), output)
        if output is not Output.JSON:
            typer.echo(f"nothing with the tags of {plan.name}/{here.name} is forgotten at {names}")
        return
    if output is not Output.JSON:
        Console().print(_table(found))
    if not (yes or (output is not Output.JSON and _agreed(found))):
        _report(here, found, output)
        _say(f"{len(found)} of these are paid for and forgotten; vdc reap --yes removes them")
        return
    # The question may have stood for an hour.
    found = _unrecorded(here, environment, plan.name, sites)
    problems = _remove(here, plan.name, found)
    _report(here, found, output, problems)
    if problems:
        raise NodeError("\n".join(f"{one.at.name}: {one}: {why}" for one, why in problems.items()))


def _plan(stack: Stack) -> Plan:
    from vdc.declaration import load
    from vdc.plan import plan

    return plan(load(_file(stack)))


def _file(stack: Stack) -> Path:
    """The declaration, as short as it can be named from here."""
    file, here = stack.declaration, Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _problems(stack: Stack, plan: Plan) -> tuple[Problem, ...]:
    from vdc.declaration.finding import Finding
    from vdc.declaration.loader import located
    from vdc.provider.backends import backend
    from vdc.provider.backends import preflight as asked

    found = [*asyncio.run(asked(plan, stack.name, _recorded(stack, plan)))]
    for site in plan.sites:
        try:
            if backend(site.kind):
                # What the program is going to need. Its import brings Pulumi's SDK, which no other
                # kind is to wait for here.
                from vdc.sites.registry import component

                component(site.kind)
        except MissingExtraError as error:
            found.append(Finding(("sites", site.name, "kind"), error.lack, error.remedy))
    return located(_file(stack), dict.fromkeys(found))


def _recorded(stack: Stack, plan: Plan) -> Sequence[Mapping[str, Any]]:
    """What the state records, where there is a back end to compare it with."""
    try:
        compared = _asked(plan.sites)
    except MissingExtraError:
        return ()  # which is a finding of its own
    if not compared or (stack.own_backend is not None and stack.state_file is None):
        return ()
    state = read(stack, stack.shell())
    return state.resources if state else ()


def _asked(sites: Sequence[Site]) -> list[str]:
    from vdc.provider.backends import asked

    return [site.name for site in asked(sites)]


def _settle(stack: Stack) -> None:
    """Sees to it that no run of this machine is at work.

    Raises:
        StackError: One is.
    """
    mend.release_dead_locks(stack, _say)
    mend.await_orphaned_providers()
    if process := mend.running(stack):
        raise StackError(f"a run of the stack is at work (process {process}); wait for its end")


def _unrecorded(
    stack: Stack, environment: Mapping[str, str], datacenter: str, sites: Sequence[Site]
) -> tuple[Carried, ...]:
    from vdc.provider.leftovers import carried, mentioned, unrecorded

    # In this order: what a run makes after the listing is not in it, what it made before is
    # recorded by now or pending.
    things = asyncio.run(carried(sites, datacenter, stack.name))
    state = read(stack, environment)
    if state is None:
        _say(
            f"there is no state of the stack {stack.name}; everything with its tags counts as "
            "forgotten"
        )
    elif state.pending:
        # What it has made may be recorded nowhere yet, and the next run takes it over.
        raise StackError(
            "a run of the stack is at work, or was interrupted; wait for its end, or say vdc up or "
            "vdc destroy, which take up what it began"
        )
    return unrecorded(things, mentioned(state.resources if state else ()))


def _remove(stack: Stack, datacenter: str, found: Sequence[Carried]) -> Mapping[Carried, str]:
    from vdc.provider.leftovers import remove

    problems = asyncio.run(remove(found, datacenter, stack.name, _say))
    try:
        asyncio.run(mend.forget(stack, {one.thing.name for one in found}))
    except (VdcError, OSError) as error:
        _say(f"the scheduler was not told that they are gone, and finds out itself: {error}")
    return problems


def _agreed(found: Sequence[Carried]) -> bool:
    return sys.stdin.isatty() and typer.confirm(f"Remove these {len(found)}?", err=True)


def _table(found: Sequence[Carried]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("Site", "Group", "What", "Name", "Id", "Expires"):
        table.add_column(heading, overflow="fold")
    for one in found:
        thing = one.thing
        table.add_row(
            thing.site or one.at.name,
            thing.group or "-",
            thing.sort,
            thing.name,
            thing.id,
            thing.expires or "-",
        )
    return table


def _report(
    stack: Stack,
    found: Sequence[Carried],
    output: Output | None,
    problems: Mapping[Carried, str] | None = None,
) -> None:
    """In JSON, each thing with its ``state``: ``found``, ``gone`` or ``left`` with the ``reason``.

    Args:
        stack: The stack.
        found: What the listing showed.
        output: How results are written; tables have been written already.
        problems: What could not be removed; None when nothing was to be.
    """
    if output is not Output.JSON:
        return
    states = dict.fromkeys(found, "found" if problems is None else "gone")
    states |= dict.fromkeys(problems or (), "left")
    things = [
        {
            "site": one.thing.site or one.at.name,
            "group": one.thing.group,
            "sort": one.thing.sort,
            "name": one.thing.name,
            "id": one.thing.id,
            "expires": one.thing.expires,
            "state": state,
            "reason": (problems or {}).get(one, ""),
        }
        for one, state in states.items()
    ]
    typer.echo(json.dumps({"stack": stack.name, "things": things}, indent=2))
