"""Which engines are used, at which version, and where each can come from.

The versions stand here and, because Go wants them there, in ``toolchain/<engine>/go.mod``;
a test holds the two together.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vdc.errors import ToolchainError

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES = Path(__file__).parents[3] / "toolchain"
"""The pinned Go modules, one folder an engine; part of a checkout."""

_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Platform:
    """An operating system and a processor, in Go's words (``linux``, ``amd64``)."""

    system: str
    machine: str

    @classmethod
    def current(cls) -> Platform:
        """This machine; names unknown to Go are passed on as they are."""
        machine = platform.machine().lower()
        return cls(platform.system().lower(), _MACHINES.get(machine, machine))


@dataclass(frozen=True)
class Addresses:
    """Where one release archive and its published SHA-256 sums are.

    Attributes:
        archive: URL of the archive; its last part is the name that the sums file uses.
        sums: URL of the sums file (``sha256sum`` format).
    """

    archive: str
    sums: str

    @property
    def name(self) -> str:
        """File name of the archive."""
        return self.archive.rpartition("/")[2]


@dataclass(frozen=True)
class Release:
    """How a publisher names the files of its releases.

    Attributes:
        archives: URL of the folder with the archive; ``{version}`` is filled in.
        archive: File name; ``{version}``, ``{system}`` and ``{machine}`` are filled in.
        sums_folder: URL of the folder with the sums, often another host.
        sums: File name of the sums.
        mirror: Environment variable naming one folder that holds both files instead.
        members: Programs taken out of the archive, the engine first; it must be there, the
            others are taken where they are.
        amd64: The publisher's word for amd64.
    """

    archives: str
    archive: str
    sums_folder: str
    sums: str
    mirror: str
    members: tuple[str, ...]
    amd64: str = "amd64"

    def addresses(
        self, version: str, target: Platform, environment: Mapping[str, str]
    ) -> Addresses:
        """The two URLs for one platform.

        Raises:
            ToolchainError: The publisher has no archive for the platform.
        """
        machine = {"amd64": self.amd64, "arm64": "arm64"}.get(target.machine)
        if machine is None or target.system not in ("linux", "darwin"):
            raise ToolchainError(f"no release for {target.system} on {target.machine}")
        mirror = environment.get(self.mirror, "").rstrip("/")
        values = {"version": version, "system": target.system, "machine": machine}
        return Addresses(
            archive="/".join((mirror or self.archives, self.archive)).format_map(values),
            sums="/".join((mirror or self.sums_folder, self.sums)).format_map(values),
        )


@dataclass(frozen=True)
class GoBuild:
    """What ``go build`` is asked for.

    Attributes:
        module: Name of the module's folder in ``MODULES``.
        package: Import path of the main package; ``./NAME`` for one of the module's own.
        ldflags: Linker flags; ``{version}`` is filled in.
        tags: Build tags, comma-separated.
    """

    module: str
    package: str
    ldflags: str
    tags: str = ""


@dataclass(frozen=True)
class Pin:
    """One engine at one version.

    Attributes:
        engine: Name of the program.
        version: The one version that is used, without a leading ``v``.
        build: How it is made from source.
        release: Where it is published; None for one that comes with another's release.
    """

    engine: str
    version: str
    build: GoBuild
    release: Release | None = None

    @property
    def module(self) -> Path:
        """The folder of the pinned Go module."""
        return MODULES / self.build.module

    @property
    def title(self) -> str:
        """As shown to people (``nomad 1.2.3``)."""
        return f"{self.engine} {self.version}"

    @property
    def folder(self) -> str:
        """Name of its folder in the cache (``nomad-1.2.3``).

        A program whose source is here is another one whenever that is.
        """
        sources = sorted((self.module / self.build.package).glob("*.go"))
        if not self.build.package.startswith("./") or not sources:
            return f"{self.engine}-{self.version}"
        digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
        return f"{self.engine}-{self.version}-{digest.hexdigest()[:12]}"


PULUMI = Pin(
    engine="pulumi",
    version="3.259.0",
    release=Release(
        archives="https://get.pulumi.com/releases/sdk",
        archive="pulumi-v{version}-{system}-{machine}.tar.gz",
        sums_folder="https://github.com/pulumi/pulumi/releases/download/v{version}",
        sums="pulumi-{version}-checksums.txt",
        mirror="VDC_PULUMI_RELEASES",
        members=(
            "pulumi/pulumi",
            "pulumi/pulumi-language-python",
            "pulumi/pulumi-language-python-exec",
        ),
        amd64="x64",
    ),
    build=GoBuild(
        module="pulumi",
        package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        ldflags=("-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"),
    ),
)

NOMAD = Pin(
    engine="nomad",
    version="1.11.3",
    release=Release(
        archives="https://releases.hashicorp.com/nomad/{version}",
        archive="nomad_{version}_{system}_{machine}.zip",
        sums_folder="https://releases.hashicorp.com/nomad/{version}",
        sums="nomad_{version}_SHA256SUMS",
        mirror="VDC_NOMAD_RELEASES",
        members=("nomad",),
    ),
    # Without the tag Nomad carries mock_driver, which is for its own tests.
    build=GoBuild("nomad", package="github.com/hashicorp/nomad", ldflags="-s -w", tags="release"),
)

HOST = Pin(
    engine="pulumi-language-python",
    version=PULUMI.version,
    build=GoBuild(
        module="pulumi",
        package="./pulumi-language-python",
        ldflags="-s -w -X main.version={version}",
    ),
)
"""Pulumi's language host for Python, for a Pulumi that did not bring its own."""

PINS = (PULUMI, NOMAD)
"""Every engine, in the order in which they are obtained."""
