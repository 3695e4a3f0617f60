"""What a package is made of, and what is asked of it: frozen, without behaviour of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vdc.errors import PackageError
from vdc.library.hcl import Value


@dataclass(frozen=True)
class Facts:
    """Where an app may run; every job file may declare variables of these names.

    Attributes:
        datacenters: Sites, by name or glob.
        node_pool: The scheduler's node pool.
    """

    datacenters: tuple[str, ...] = ("*",)
    node_pool: str = "default"


@dataclass(frozen=True)
class Rendered:
    """What the scheduler's parser takes: a job file and the text of its variables."""

    hcl: str
    variables: str = field(repr=False)


@dataclass(frozen=True)
class Endpoint:
    """A way to reach an app: the scheduler's service ``<app>-<name>``.

    Attributes:
        name: Suffix of the service's name.
        url: How to write it, with ``{address}`` (host and port) in it.
        summary: What one finds there.
    """

    name: str
    url: str
    summary: str

    def service(self, app: str) -> str:
        """The name of the scheduler's service."""
        return f"{app}-{self.name}"


@dataclass(frozen=True)
class HealthCheck:
    """When the software itself, not just its processes, is well.

    ``GET path`` at the endpoint answers JSON whose ``field`` equals what is expected: the value
    of an option, or a literal. Without a field, any success is enough.

    Attributes:
        endpoint: Name of the endpoint to ask.
        path: Path of the request.
        field: Dotted path into the JSON answer; empty for none.
        option: The option whose value is expected; empty when ``literal`` is.
        literal: What is expected when no option is named.
    """

    endpoint: str
    path: str
    field: str
    option: str
    literal: Value

    def expected(self, options: Mapping[str, Value]) -> Value:
        """The value that ``field`` must have, under checked options."""
        return options[self.option] if self.option else self.literal

    def met(self, answer: object, options: Mapping[str, Value]) -> bool:
        """Whether a decoded JSON answer says that the app is well."""
        if not self.field:
            return True
        found = answer
        for key in self.field.split("."):
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        return found == self.expected(options)


@dataclass(frozen=True)
class Copy:
    """Files of an archive: everything under ``source`` goes under ``to``."""

    source: str
    to: str


@dataclass(frozen=True)
class Artifact:
    """Software unpacked once per machine and version, read by tasks, never written.

    Attributes:
        name: Folder of the software.
        version: Folder of the version.
        pypi: The pinned distribution, ``name==version``.
        sha256: Its digest, as the index publishes it.
        size: Bytes of the archive, for progress; 0 when not said.
        copies: What is unpacked and where to; the archive's top folder is left out of paths.
        skip: Globs on the archive's paths that are not unpacked.
    """

    name: str
    version: str
    pypi: str
    sha256: str
    size: int
    copies: tuple[Copy, ...]
    skip: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Where it lies inside the machine's packages folder."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class Command:
    """Something that an app can be asked to run, as a batch job of its own.

    Attributes:
        examples: Programs that come with the package, by name.
    """

    name: str
    summary: str
    job_hcl: str = field(repr=False)
    examples: Mapping[str, bytes] = field(repr=False)

    def example(self, name: str) -> bytes:
        """A program that comes with the package.

        Raises:
            PackageError: There is none of this name; the text lists those that there are.
        """
        if name not in self.examples:
            known = ", ".join(self.examples) or "none"
            raise PackageError(f"{self.name} has no example {name!r}; there are: {known}")
        return self.examples[name]


@dataclass(frozen=True)
class Call:
    """One run of an app's command.

    Attributes:
        run: Name of the run, and of its job; unique in the pool.
        program: The program, handed to the command as it is.
        args: Arguments of the program.
    """

    run: str
    program: bytes = field(repr=False)
    args: tuple[str, ...] = ()
