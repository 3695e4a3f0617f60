"""The commands that change machines: the literal ``pulumi``, in the right environment."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from vdc.cli import after, clouds, engine
from vdc.cli.before import Start, begin, ready
from vdc.cli.options import StackOption
from vdc.cli.project import DEFAULT_STACK, Stack, find_stack, stack_name
from vdc.cli.state import read
from vdc.commands.params import OutputOption, YesOption
from vdc.commands.session import Output
from vdc.provider.permissions import FORCE, Permissions

app = typer.Typer()

ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Stop work on nodes that go instead of moving it; remove nodes although the pool does "
        "not answer; change servers although others are unwell; forget machines and hosts that "
        "do not answer, with whatever runs there.",
    ),
]
_PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _say(message: str) -> None:
    typer.echo(f"vdc: {message}", err=True)


@app.command(context_settings=_PASSES_ON)
def up(
    context: typer.Context,
    stack: StackOption = None,
    yes: YesOption = False,
    force: ForceOption = False,
    skip_preflight: Annotated[
        bool, typer.Option("--skip-preflight", help="Do not ask the sites' clouds beforehand.")
    ] = False,
    output: OutputOption = None,
) -> None:
    """Make the declaration real: `pulumi up`. Further arguments go to pulumi."""
    here = find_stack(stack)
    if skip_preflight:
        _check(here)
    else:
        clouds.require(here)
    start = begin(here, _say).permitting(FORCE if force else Permissions())
    code = _pulumi(here, start, "up", start.arguments(yes, context.args), output)
    if code == 0:
        after.reap_unrecorded(here, start.environment, _say)
        _greet(here, output)
    raise typer.Exit(code)


@app.command(context_settings=_PASSES_ON)
def preview(
    context: typer.Context,
    stack: StackOption = None,
    yes: YesOption = False,  # noqa: ARG001 - accepted everywhere; nothing is asked here
    output: OutputOption = None,
) -> None:
    """Show what `vdc up` would change: `pulumi preview`. Further arguments go to pulumi."""
    here = find_stack(stack)
    _check(here)
    start = begin(here, _say)
    json_flag = ["--json"] if output is Output.JSON else []
    arguments = [*json_flag, *start.arguments(False, context.args)]
    raise typer.Exit(_pulumi(here, start, "preview", arguments, None))


@app.command(context_settings=_PASSES_ON)
def destroy(
    context: typer.Context,
    stack: StackOption = None,
    yes: YesOption = False,
    force: ForceOption = False,
    output: OutputOption = None,
) -> None:
    """Take everything down: `pulumi destroy`, then what is left of the stack on this machine."""
    here = find_stack(stack)
    # Somebody else may have made it, or somewhere else: the backend knows, not this machine.
    if not here.own.root.exists() and read(here, here.shell()) is None:
        _say(f"there is no stack {here.name} at {here.backend}; nothing to do")
        _tell_destroyed(here, False, output)
        return
    start = begin(here, _say)
    # All of it goes, and so does work that nobody can be asked about. That the pool is out of reach
    # from here says nothing of the machines: they are not given up for it.
    start = start.permitting(FORCE if force else Permissions(without_pool=start.silent))
    code = _pulumi(here, start, "destroy", start.arguments(yes, context.args), output)
    if code:
        raise typer.Exit(code)
    after.forget(here, start.environment)
    _say(f"stack {here.name} is gone: no process, port, folder or mount of it is left")
    _tell_destroyed(here, True, output)


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="Name of the new stack.")],
    backend: Annotated[
        str | None, typer.Option(help="Pulumi backend URL of the team; a local folder by default.")
    ] = None,
    secrets_provider: Annotated[
        str | None, typer.Option(help="Pulumi secrets provider; a passphrase by default.")
    ] = None,
    yes: YesOption = False,  # noqa: ARG001 - accepted everywhere; nothing is asked here
    output: OutputOption = None,
) -> None:
    """Make a new stack: its declaration, its passphrase, its place in the backend."""
    here = find_stack(name)
    if not here.declaration.exists():
        template = here.root / "stacks" / f"{DEFAULT_STACK}.yaml"
        text = template.read_text().replace(f"name: {DEFAULT_STACK}", f"name: {name}", 1)
        here.declaration.write_text(text)
        _say(f"wrote {here.declaration.relative_to(here.root)}")
    if backend:
        os.environ["PULUMI_BACKEND_URL"] = backend
        _say(f"name the backend in Pulumi.yaml for everybody: backend: {{url: {backend}}}")
    ready(here, secrets_provider)
    if output is Output.JSON:
        typer.echo(json.dumps({"stack": name, "declaration": str(here.declaration)}))
    else:
        typer.echo(f"stack {name} is ready: edit {here.declaration}, then vdc up --stack {name}")


@app.command()
def env(
    stack: StackOption = None,
    yes: YesOption = False,  # noqa: ARG001 - accepted everywhere; nothing is asked here
    output: OutputOption = None,
) -> None:
    """Print what plain `pulumi` needs: eval "$(vdc env)"."""
    here = find_stack(stack)
    whole = ready(here)
    names = [name for name, value in whole.items() if os.environ.get(name) != value]
    if output is Output.JSON:
        typer.echo(json.dumps({name: whole[name] for name in names}, indent=2))
        return
    for name in names:
        typer.echo(f"export {name}={shlex.quote(whole[name])}")


@app.command()
def token(
    stack: StackOption = None,
    yes: YesOption = False,  # noqa: ARG001 - accepted everywhere; nothing is asked here
    output: OutputOption = None,
) -> None:
    """Print the operator's token, for the API and the console."""
    from vdc.client.profile import Profile
    from vdc.home import Home

    name = stack_name(stack)
    profile = Profile.load(Home.of_user(), name)
    if output is Output.JSON:
        value = {"token": profile.token, "address": profile.address, "ca": str(profile.ca_file)}
        typer.echo(json.dumps(value, indent=2))
    else:
        typer.echo(profile.token)


def _check(stack: Stack) -> None:
    """Says every problem of the declaration at once, before anything is started."""
    from vdc.declaration import load

    load(stack.declaration)


def _pulumi(
    stack: Stack, start: Start, verb: str, arguments: Sequence[str], output: Output | None
) -> int:
    aside = output is Output.JSON
    return engine.run(stack, start.environment, verb, arguments, aside=aside)


def _tell_destroyed(stack: Stack, destroyed: bool, output: Output | None) -> None:
    if output is Output.JSON:
        typer.echo(json.dumps({"stack": stack.name, "destroyed": destroyed}))


def _greet(stack: Stack, output: Output | None) -> None:
    from vdc.client.profile import Profile

    profile = Profile.load(stack.home, stack.name, env={})
    if output is Output.JSON:
        facts = {"api": profile.address, "console": f"{profile.address}/"}
        typer.echo(json.dumps({**facts, "ca_file": str(profile.ca_file)}, indent=2))
        return
    typer.echo(
        f"\nThe data centre is up.\n"
        f"  console  {profile.address}/\n"
        f"  API      {profile.address}/api/v1   (CA: {profile.ca_file})\n"
        f"  token    vdc token\n"
        f"  next     vdc pool · vdc library · vdc install hello"
    )
