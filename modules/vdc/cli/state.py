"""What Pulumi's state of a stack records, read without changing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vdc.cli import engine
from vdc.cli.project import Stack
from vdc.errors import StackError

_NO_STACK = "no stack named"


@dataclass(frozen=True)
class State:
    """A stack's state as exported.

    Attributes:
        resources: What it records; secrets in it stay encrypted.
        pending: Whether a run is at work on it, or was when it ended.
        needs_passphrase: Whether secrets in it are encrypted with a passphrase.
    """

    resources: tuple[Mapping[str, Any], ...]
    pending: bool
    needs_passphrase: bool


def read(stack: Stack, environment: Mapping[str, str]) -> State | None:
    """The state; None when the backend answers and knows no such stack.

    Raises:
        StackError: The backend does not answer, or the state cannot be read: that says nothing of
            what is recorded.
    """
    if stack.own_backend is not None and stack.state_file is None:
        return None
    try:
        exported = json.loads(engine.ask(stack, environment, "stack", "export"))
    except StackError as error:
        if _NO_STACK in str(error):
            return None
        raise
    deployment = exported.get("deployment") or {}
    return State(
        tuple(deployment.get("resources", ())),
        bool(deployment.get("pending_operations")),
        deployment.get("secrets_providers", {}).get("type") == "passphrase",
    )
