"""What Pulumi's state of a stack records, read without changing it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vdc.cli.project import Stack
from vdc.errors import StackError

_NO_STACK = "no stack named"


@dataclass(frozen=True)
class State:
    """A stack's state as exported.

    Attributes:
        resources: What it records; secrets in it stay encrypted.
        pending: Whether a run is at work on it, or was when it ended.
    """

    resources: tuple[Mapping[str, Any], ...]
    pending: bool


def read(stack: Stack, environment: Mapping[str, str]) -> State | None:
    """The state; None when the backend answers and knows no such stack.

    Raises:
        StackError: The backend does not answer, or the state cannot be read: that says nothing of
            what is recorded.
    """
    if stack.own_backend is not None and stack.state_file is None:
        return None
    try:
        exported = json.loads(pulumi(stack, environment, "stack", "export"))
    except StackError as error:
        if _NO_STACK in str(error):
            return None
        raise
    deployment = exported.get("deployment") or {}
    return State(tuple(deployment.get("resources", ())), bool(deployment.get("pending_operations")))


def pulumi(
    stack: Stack, environment: Mapping[str, str], *arguments: str, text: str | None = None
) -> str:
    """What a command of Pulumi's prints about the stack.

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
    for folder in environment["PATH"].split(":"):
        if (Path(folder) / "pulumi").is_file():
            return str(Path(folder) / "pulumi")
    raise StackError("pulumi is not on PATH; run `vdc toolchain install`")
