"""The literal ``pulumi``: at work on the user's terminal, or asked about a stack."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from vdc.cli.project import Stack
from vdc.errors import StackError


def run(
    stack: Stack,
    environment: Mapping[str, str],
    verb: str,
    arguments: Sequence[str],
    *,
    aside: bool = False,
) -> int:
    """Runs a command of Pulumi's on the user's terminal; its exit code.

    Args:
        stack: The stack that it is about.
        environment: All of it, as :func:`vdc.cli.before.ready` gives it.
        verb: The command.
        arguments: What follows.
        aside: Whether its words go to standard error, since somebody reads JSON from the other.
    """
    done = subprocess.run(
        [_program(environment), verb, "--stack", stack.name, *arguments],
        cwd=stack.root,
        env=dict(environment),
        stdout=sys.stderr if aside else None,
        check=False,
    )
    return done.returncode


def ask(
    stack: Stack, environment: Mapping[str, str], *arguments: str, text: str | None = None
) -> str:
    """What a command of Pulumi's prints about the stack; nothing of it reaches the terminal.

    Raises:
        StackError: It failed; carries what it said.
    """
    done = subprocess.run(
        [_program(environment), *arguments, "--stack", stack.name],
        cwd=stack.root,
        env=dict(environment),
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(f"pulumi {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _program(environment: Mapping[str, str]) -> str:
    found = shutil.which("pulumi", path=environment["PATH"])
    if found is None:
        raise StackError("pulumi is not on PATH; run `vdc toolchain install`")
    return found
