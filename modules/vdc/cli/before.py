"""What comes before the engine: the stack's place in its backend, and a killed run's traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vdc.cli import engine, mend
from vdc.cli.project import Stack
from vdc.cli.state import read
from vdc.errors import StackError
from vdc.provider.permissions import Permissions


@dataclass(frozen=True)
class Start:
    """What the engine is started with.

    Attributes:
        environment: All of its variables.
        interrupted: Whether a run before this one was cut short.
        silent: Whether the pool does not answer.
    """

    environment: Mapping[str, str]
    interrupted: bool
    silent: bool

    def permitting(self, permissions: Permissions) -> Start:
        """The same, with just these."""
        return replace(self, environment={**self.environment, **permissions.environment})

    def arguments(self, yes: bool, extra: Sequence[str]) -> list[str]:
        """What pulumi is told beside the user's own words.

        Where the state may be wrong about what is there, every machine is asked first.
        """
        # Who has agreed beforehand reads the changes as they are made, and waits half as long.
        agreed = ["--yes", "--skip-preview"] if yes else []
        doubtful = self.interrupted or self.silent
        said = any(argument.startswith("--refresh") for argument in extra)
        return [*agreed, *extra, *(["--refresh"] if doubtful and not said else [])]


def begin(stack: Stack, say: mend.Say) -> Start:
    """Prepares a run: the stack exists, and what a killed run left is put right.

    Raises:
        StackError: The stack is another project's, or a killed run has not ended yet.
    """
    environment = ready(stack)
    interrupted = mend.release_dead_locks(stack, say)
    mend.await_orphaned_providers()
    interrupted |= mend.clear_pending(stack, environment, say)
    answers = mend.pool_answers(stack)
    if not answers:
        say("the pool does not answer; asking every machine what is there")
    return Start(environment, interrupted, not answers)


def ready(stack: Stack, secrets_provider: str | None = None) -> dict[str, str]:
    """The environment that Pulumi needs, with the stack existing in its backend.

    Raises:
        StackError: The stack is another project's, its passphrase is lost, or the backend refuses
            it.
    """
    environment = stack.shell()
    if stack.lacks_passphrase:
        _require_nothing_encrypted(stack, environment)
    stack.claim()
    if stack.own_backend:
        stack.own_backend.mkdir(parents=True, exist_ok=True, mode=0o700)
        if stack.state_file:
            return environment
    provider = ["--secrets-provider", secrets_provider] if secrets_provider else []
    try:
        engine.ask(stack, environment, "stack", "init", *provider)
    except StackError as error:
        if "already exists" not in str(error):
            raise
    return environment


def _require_nothing_encrypted(stack: Stack, environment: Mapping[str, str]) -> None:
    """A new passphrase may be made: there is nothing that only an older one opens."""
    state = read(stack, environment)
    if state and state.needs_passphrase:
        raise StackError(
            f"stack {stack.name} at {stack.backend}: encrypted with a passphrase that is not in "
            f"{stack.own.passphrase}; bring that file from where the stack was made, or name the "
            "passphrase in PULUMI_CONFIG_PASSPHRASE"
        )
    if stack.secrets.exists() and "encryptionsalt:" in stack.secrets.read_text():
        raise StackError(
            f"{stack.secrets}: encrypted with the passphrase in {stack.own.passphrase}, which is "
            "gone; bring that file back, or remove this one to begin anew"
        )
