"""What follows a run of the engine: nothing is left that no state and no declaration knows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

from vdc.cli import engine, mend
from vdc.cli.project import Stack
from vdc.cli.state import read
from vdc.errors import StackError
from vdc.provider.permissions import Permissions
from vdc.provider.processes import belonging_to


def reap_unrecorded(stack: Stack, environment: Mapping[str, str], say: mend.Say) -> None:
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
    silent = Permissions.of(environment).forget_silent
    removed = asyncio.run(reap(stack.name, frozenset(declared | recorded), silent))
    asyncio.run(mend.forget(stack, removed))
    for name in removed:
        say(f"removed {name}: an interrupted run had begun it and nothing declares it any more")


def forget(stack: Stack, environment: Mapping[str, str]) -> None:
    """Removes what is left of a destroyed stack; a team's backend keeps its history.

    Raises:
        StackError: Something is still there; names it.
    """
    from vdc.provider.registry import reap

    asyncio.run(reap(stack.name, frozenset(), Permissions.of(environment).forget_silent))
    if stack.own_backend:
        engine.ask(stack, environment, "stack", "rm", "--yes", "--remove-backups")
        shutil.rmtree(stack.own.root)
        _remove_empty_folders(stack.own_backend / ".pulumi", stack)
    elif not stack.own.passphrase.exists():  # it opens what the team's backend has kept
        stack.own.project.unlink(missing_ok=True)
    _prune(stack.own.root, stack.home.data)
    left = [f"process {process.pid}" for process in belonging_to(stack.own.root)]
    left += [str(path) for path in (stack.own.nodes, stack.own.pool) if path.exists()]
    if left:
        raise StackError(f"destroyed, but still there: {', '.join(left)}; end or remove them")


def _remove_empty_folders(meta: Path, stack: Stack) -> None:
    """Removes the folders that Pulumi makes for a stack and leaves when the stack is gone."""
    project, name = stack.project, stack.name
    for folder in (
        meta / "backups" / project / name,
        meta / "history" / project / name,
        meta / "locks" / "organization" / project / name,
        meta / "stacks" / project,
    ):
        _prune(folder, meta)


def _prune(folder: Path, top: Path) -> None:
    """Removes a folder and those above it, up to another, as far as nothing else is in them."""
    while folder != top:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent
