"""Every error that vdc raises on purpose.

The command line prints one line for each of them and no traceback; anything
else that escapes is a defect and is shown as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class VdcError(Exception):
    """The root: something the user can act on. The text says what and what to do."""

    exit_code = 1


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a document, where it is and how to mend it.

    Attributes:
        file: The document as the user named it.
        line: 1-based line of the offending key or value.
        path: Dotted path inside the document (``sites.here.groups.workers.count``);
            empty for the document itself.
        message: What is wrong, with the value found.
        remedy: What to do about it.
        level: ``error`` stops every command; ``warning`` is shown and passed over.
        rule: The rule that found it; empty when the shape alone is wrong.
    """

    file: str
    line: int
    path: str
    message: str
    remedy: str
    level: str = "error"
    rule: str = ""

    def __str__(self) -> str:
        """``file:line path: what is wrong (got X); what to do``."""
        where = f"{self.file}:{self.line}"
        subject = f" {self.path}" if self.path else ""
        level = "" if self.level == "error" else f" {self.level}:"
        return f"{where}{level}{subject}: {self.message}; {self.remedy}"


class DeclarationError(VdcError):
    """A declaration cannot be used; carries every problem found in it at once."""

    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ToolchainError(VdcError):
    """An engine (Pulumi, Nomad) could not be obtained; lists what was tried and why it failed."""

    exit_code = 3


class SchedulerError(VdcError):
    """The scheduler refused or could not be reached.

    Attributes:
        status: HTTP status, or 0 when there was no answer.
    """

    exit_code = 4

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class PoolError(VdcError):
    """The pool API refused or could not be reached.

    Attributes:
        status: HTTP status, or 0 when there was no answer.
    """

    exit_code = 4

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class PackageError(VdcError):
    """A library package, or an option given to it, cannot be used."""

    exit_code = 2


class NodeError(VdcError):
    """One node could not be made, read or removed; the text names the stage reached."""


class UnreachableNodeError(NodeError):
    """A node's machine cannot be looked at: nothing there is known, so nothing counts as gone."""


class ForeignNodeError(NodeError):
    """A node of the wanted name exists and is not ours; it is never touched."""


class StackError(VdcError):
    """A stack's files or its Pulumi state cannot be used as they are."""

    exit_code = 3


class MissingExtraError(StackError):
    """A Python package that a kind of site needs is not installed.

    Attributes:
        lack: What is missing.
        remedy: The command that installs it.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.lack = f"sites of kind {kind} need the Python package {package}"
        self.remedy = f"install it with: pip install 'vdc[{kind}]'"
        super().__init__(f"{self.lack}; {self.remedy}")

    @classmethod
    @contextmanager
    def named(cls, kind: str) -> Iterator[None]:
        """Turns a failing import of somebody else's package into this error."""
        try:
            yield
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package == "vdc":
                raise
            raise cls(kind, package) from error
