"""From folders to packages: read, checked as a whole, frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vdc.declaration.document import Document, read
from vdc.declaration.finding import did_you_mean
from vdc.declaration.syntax import UnreadableError
from vdc.errors import PackageError, Problem
from vdc.library.manifest import Manifest, document_schema
from vdc.library.package import Package
from vdc.library.parts import Artifact, Command, Copy, Endpoint, HealthCheck
from vdc.library.rules import findings
from vdc.library.unfit import unfit

BUILT_IN = Path(__file__).parent / "packages"
MANIFEST = "package.yaml"


@dataclass(frozen=True)
class Library:
    """The packages that can be installed; ``packages`` is sorted by name."""

    packages: tuple[Package, ...]

    def get(self, name: str) -> Package:
        """The package of this name.

        Raises:
            PackageError: There is none; the text names the nearest one or all that there are.
        """
        for package in self.packages:
            if package.name == name:
                return package
        names = [package.name for package in self.packages]
        remedy = did_you_mean(name, names, f"the library has {', '.join(names) or 'none'}")
        raise PackageError(f"there is no package {name!r}; {remedy}")


def load(folders: Sequence[Path] = ()) -> Library:
    """The built-in packages and those of the folders.

    Args:
        folders: Each a package, or holding packages side by side.

    Raises:
        PackageError: A package cannot be used, two have one name, or a folder holds none; lists
            every problem of every package.
    """
    found: dict[str, tuple[Package, Path]] = {}
    problems: list[str] = []
    for folder in (BUILT_IN, *folders):
        for place in _places(folder):
            try:
                package = load_package(place)
            except PackageError as error:
                problems.append(str(error))
                continue
            if package.name in found:
                other = found[package.name][1]
                problems.append(f"{place}: {package.name} is in {other} as well; rename one")
            found[package.name] = (package, place)
    if problems:
        raise PackageError("\n".join(problems))
    return Library(tuple(found[name][0] for name in sorted(found)))


def load_package(folder: Path) -> Package:
    """The package in one folder.

    Raises:
        PackageError: It cannot be used; one ``file:line path: ...`` line per problem.
    """
    file = folder / MANIFEST
    try:
        document = read(file.read_bytes(), str(file))
    except OSError as error:
        raise PackageError(f"{file}: cannot be read: {error.strerror}; check the name") from error
    except UnreadableError as error:
        problem = Problem(str(file), error.line, "", error.message, error.remedy)
        raise PackageError(str(problem)) from error
    _refuse(document.problems)
    value: Any = _plain(document.value)
    _refuse(
        document.problem(item.path, item.message, item.remedy)
        for item in unfit(document_schema(), value)
    )
    manifest = Manifest.model_validate(value)
    _refuse(_judged(document, manifest, folder))
    return _package(manifest, folder)


def _places(folder: Path) -> list[Path]:
    if (folder / MANIFEST).is_file():
        return [folder]
    places = sorted(file.parent for file in folder.glob(f"*/{MANIFEST}"))
    if not places:
        raise PackageError(f"{folder}: holds no package; a package is a folder with a {MANIFEST}")
    return places


def _refuse(problems: Iterator[Problem] | Sequence[Problem]) -> None:
    lines = [str(problem) for problem in sorted(problems)]
    if lines:
        raise PackageError("\n".join(lines))


def _judged(document: Document, manifest: Manifest, folder: Path) -> Iterator[Problem]:
    for finding in findings(manifest, folder):
        yield document.problem(finding.path, finding.message, finding.remedy, finding.level)


def _plain(value: Any) -> Any:
    """JSON's own types: the reader keeps decimals exact, which JSON Schema has no use for."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value


def _package(manifest: Manifest, folder: Path) -> Package:
    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    return Package(
        name=manifest.name,
        version=manifest.version,
        summary=manifest.summary,
        icon=text(manifest.icon),
        readme=text("README.md"),
        options_schema=MappingProxyType(manifest.options),
        job_hcl=text("job.nomad.hcl"),
        endpoints=tuple(
            Endpoint(name, endpoint.url, endpoint.summary)
            for name, endpoint in manifest.endpoints.items()
        ),
        health=tuple(
            HealthCheck(check.endpoint, check.path, check.field, check.option, check.equals)
            for check in manifest.health
        ),
        artifacts=tuple(
            Artifact(
                name=name,
                version=artifact.version,
                pypi=artifact.pypi,
                sha256=artifact.sha256,
                size=artifact.size,
                copies=tuple(Copy(copy.source, copy.to) for copy in artifact.unpack),
                skip=artifact.skip,
            )
            for name, artifact in manifest.artifacts.items()
        ),
        commands=MappingProxyType(_commands(manifest, folder)),
        secrets=manifest.secrets,
        scale=tuple(manifest.scale.items()),
        privileged=manifest.privileged,
        files=MappingProxyType(
            {file.name: file.read_bytes() for file in sorted(folder.glob("files/*.*"))}
        ),
    )


def _commands(manifest: Manifest, folder: Path) -> Mapping[str, Command]:
    return {
        name: Command(
            name=name,
            summary=command.summary,
            job_hcl=(folder / command.job).read_text(encoding="utf-8"),
            examples=MappingProxyType(
                {
                    example: (folder / file).read_bytes()
                    for example, file in command.examples.items()
                }
            ),
        )
        for name, command in manifest.commands.items()
    }
