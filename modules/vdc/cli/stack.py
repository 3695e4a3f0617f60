"""The commands that change machines: the literal ``pulumi``, in the right environment."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from vdc.cli import clouds, mend
from vdc.cli.options import StackOption
from vdc.cli.project import DEFAULT_STACK, Stack, find_stack, stack_name
from vdc.cli.state import read
from vdc.commands.params import OutputOption, YesOption
from vdc.commands.session import Output
from vdc.errors import StackError
from vdc.provider.processes import belonging_to
from vdc.provider.resource import FORCE_VARIABLE

app = typer.Typer()

ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Stop work that has not moved from a node to be removed."),
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
    if not skip_preflight:
        clouds.require(here)
    environment, arguments = _prepared(here, yes, force, context.args)
    code = _pulumi(here, environment, "up", arguments, output)
    if code == 0:
        _reap_unrecorded(here, environment)
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
    environment, arguments = _prepared(here, False, False, context.args)
    json_flag = ["--json"] if output is Output.JSON else []
    raise typer.Exit(_pulumi(here, environment, "preview", [*json_flag, *arguments], None))


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
    if not here.own.root.exists():
        _say(f"there is no stack {here.name}; nothing to do")
        return
    environment, arguments = _prepared(here, yes, force, context.args, declared=False)
    code = _pulumi(here, environment, "destroy", arguments, output)
    if code:
        raise typer.Exit(code)
    _forget(here, environment)
    if output is Output.JSON:
        typer.echo(json.dumps({"stack": here.name, "destroyed": True}))


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
    _ready(here, secrets_provider)
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
    whole = _ready(here)
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


def _prepared(
    stack: Stack, yes: bool, force: bool, extra: list[str], *, declared: bool = True
) -> tuple[Mapping[str, str], list[str]]:
    """Everything before the engine starts: checks, the stack's place, traces of a killed run."""
    if declared:
        from vdc.declaration import load

        load(stack.declaration)  # all problems at once, before anything is started
    environment = _ready(stack)
    if force:
        environment[FORCE_VARIABLE] = "1"
    interrupted = mend.release_dead_locks(stack, _say)
    mend.await_orphaned_providers()
    interrupted |= mend.clear_pending(stack, environment, _say)
    # Who has agreed beforehand reads the changes as they are made, and waits half as long.
    agreed = ["--yes", "--skip-preview"] if yes else []
    arguments = [*agreed, *extra]
    if not mend.pool_answers(stack):
        _say("the pool does not answer; asking every machine what is there")
        interrupted = True
        if not declared:  # all of it goes: work that nobody can be asked about goes too
            environment[FORCE_VARIABLE] = "1"
    if interrupted and not any(argument.startswith("--refresh") for argument in extra):
        arguments.append("--refresh")
    return environment, arguments


def _ready(stack: Stack, secrets_provider: str | None = None) -> dict[str, str]:
    """The environment, with the stack existing in its backend."""
    changes = stack.environment()
    environment = {**os.environ, **changes}
    stack.claim()
    if stack.own_backend:
        stack.own_backend.mkdir(parents=True, exist_ok=True, mode=0o700)
        if stack.state_file:
            return environment
    provider = ["--secrets-provider", secrets_provider] if secrets_provider else []
    done = subprocess.run(
        ["pulumi", "stack", "init", stack.name, *provider],
        executable=shutil.which("pulumi", path=environment["PATH"]),
        cwd=stack.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "already exists" not in done.stderr:
        raise StackError(f"cannot make the stack {stack.name}: {done.stderr.strip()}")
    return environment


def _pulumi(
    stack: Stack,
    environment: Mapping[str, str],
    verb: str,
    arguments: list[str],
    output: Output | None,
) -> int:
    """Runs pulumi on the user's terminal; with JSON output its own words go to standard error."""
    command = ["pulumi", verb, "--stack", stack.name, *arguments]
    done = subprocess.run(
        command,
        executable=shutil.which("pulumi", path=environment["PATH"]),
        cwd=stack.root,
        env=dict(environment),
        stdout=sys.stderr if output is Output.JSON else None,
        check=False,
    )
    return done.returncode


def _reap_unrecorded(stack: Stack, environment: Mapping[str, str]) -> None:
    """Removes nodes of groups that a killed run had begun and the declaration no longer has."""
    from vdc.declaration import load
    from vdc.plan import plan
    from vdc.provider.registry import owners, reap

    groups = plan(load(stack.declaration)).groups
    declared = {f"{stack.name}/{group.site}/{group.name}" for group in groups}
    if owners(stack.name) <= declared:
        return
    state = read(stack, environment)
    inputs = [r.get("inputs", {}) for r in state.resources] if state else []
    recorded = {f"{i['stack']}/{i['site']}/{i['group']}" for i in inputs if "group" in i}
    removed = asyncio.run(reap(stack.name, frozenset(declared | recorded)))
    asyncio.run(mend.forget(stack, removed))
    for name in removed:
        _say(f"removed {name}: an interrupted run had begun it and nothing declares it any more")


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


def _forget(stack: Stack, environment: Mapping[str, str]) -> None:
    """Removes what is left of a destroyed stack, unless a team's backend keeps its history."""
    from vdc.provider.registry import reap

    asyncio.run(reap(stack.name, frozenset()))
    if stack.own_backend:
        subprocess.run(
            ["pulumi", "stack", "rm", stack.name, "--yes", "--remove-backups"],
            executable=shutil.which("pulumi", path=environment["PATH"]),
            cwd=stack.root,
            env=dict(environment),
            capture_output=True,
            check=False,
        )
        shutil.rmtree(stack.own.root)
    left = [f"process {process.pid}" for process in belonging_to(stack.own.root)]
    left += [str(path) for path in (stack.own.nodes, stack.own.pool) if path.exists()]
    if left:
        raise StackError(f"destroyed, but still there: {', '.join(left)}; end or remove them")
    _say(f"stack {stack.name} is gone: no process, port, folder or mount of it is left")
