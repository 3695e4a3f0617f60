"""From a file to a declaration: read, check the shape, check the rules, all in one go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from pydantic import ValidationError

from vdc.declaration.document import Document, read
from vdc.declaration.finding import Finding, Path, did_you_mean
from vdc.declaration.model import Declaration
from vdc.declaration.repair import repaired
from vdc.declaration.rules import findings
from vdc.declaration.shape import Misfit, misfits
from vdc.declaration.syntax import MOST_BYTES, UnreadableError
from vdc.errors import DeclarationError, Problem


@dataclass(frozen=True)
class Checked:
    """What came of checking one file.

    Attributes:
        declaration: The declaration; None when any problem is an error.
        problems: Everything found, most useful first: what stands in the wrong place, then
            wrong values, then what does not fit together, then warnings; by line in each.
    """

    declaration: Declaration | None
    problems: tuple[Problem, ...]


def load(path: FilePath) -> Declaration:
    """The declaration in a file. Reads nothing else and asks nobody.

    Raises:
        DeclarationError: It cannot be used; carries every problem and warning at once.
    """
    checked = check(path)
    if checked.declaration is None:
        raise DeclarationError(checked.problems)
    return checked.declaration


def check(path: FilePath) -> Checked:
    """Like ``load``, but hands problems and warnings back instead of raising them."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        return Checked(None, (_unreadable(path, error),))
    return check_data(data, str(path))


def located(path: FilePath, found: Iterable[Finding]) -> tuple[Problem, ...]:
    """What others find of a declaration that ``load`` takes, at its lines in the file."""
    document = read(path.read_bytes(), str(path))
    return tuple(sorted(document.problem(f.path, f.message, f.remedy, f.level) for f in found))


def check_data(data: bytes, file: str) -> Checked:
    """Like ``check``, for what is in memory already; ``file`` is its name in messages."""
    try:
        document = read(data, file)
    except UnreadableError as error:
        problem = Problem(file, error.line, "", error.message, error.remedy)
        return Checked(None, (problem,))
    unfit = misfits(document)
    sound, ours = repaired(document.value, unfit)
    ours |= document.unsound
    unsaid = [misfit for misfit in unfit if not (misfit.said or misfit.path in document.unsound)]
    structure = [_said(document, misfit) for misfit in unsaid if misfit.structural]
    values = [_said(document, misfit) for misfit in unsaid if not misfit.structural]
    try:
        declaration = Declaration.model_validate(sound)
        conclusions = _conclusions(document, declaration, ours)
    except ValidationError as error:
        declaration = None
        conclusions = _beyond_schema(document, error)
    errors = [
        *(problem for part in (document.problems, structure, values) for problem in sorted(part)),
        *(problem for problem in conclusions if problem.level == "error"),
    ]
    warnings = [problem for problem in conclusions if problem.level == "warning"]
    return Checked(None if errors else declaration, (*errors, *warnings))


def _unreadable(path: FilePath, error: OSError) -> Problem:
    reason = (error.strerror or type(error).__name__).lower()
    beside = [file.name for file in path.parent.glob("*.yaml") if "Pulumi." not in file.name]
    remedy = did_you_mean(path.name, beside, "name a YAML file that can be read")
    return Problem(str(path), 1, "", f"cannot be read ({reason})", remedy)


def _said(document: Document, misfit: Misfit) -> Problem:
    return document.problem(misfit.path, misfit.message, misfit.remedy)


def _conclusions(document: Document, declaration: Declaration, ours: set[Path]) -> list[Problem]:
    """What the rules object to, but for what they would conclude from our own stand-ins."""
    said = []
    for rule, finding in findings(declaration):
        grounds = [
            (*path[:length],)
            for path in (finding.path, *finding.rests_on)
            for length in range(1, len(path) + 1)
        ]
        # A warning says what an otherwise sound document lacks; with stand-ins it may not lack it.
        if ours.intersection(grounds) or (ours and finding.level == "warning"):
            continue
        problem = document.problem(finding.path, finding.message, finding.remedy, finding.level)
        said.append(replace(problem, rule=rule))
    return sorted(said)


def _beyond_schema(document: Document, error: ValidationError) -> list[Problem]:
    """What the models refuse and the schema lets pass; there should be no such thing."""
    return sorted(
        document.problem(tuple(found["loc"]), found["msg"].lower(), "see the schema")
        for found in error.errors()
    )
