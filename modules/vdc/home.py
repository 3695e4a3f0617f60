"""Where vdc keeps what belongs to one user of one machine, outside every checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True)
class StackHome:
    """The folder of one stack: secrets, the client's profile, local nodes, the pool service.

    Everything in it goes with ``vdc destroy``.
    """

    root: Path

    @property
    def passphrase(self) -> Path:
        """The random passphrase of the stack's secrets, mode 0600."""
        return self.root / "passphrase"

    @property
    def project(self) -> Path:
        """The name of the project whose stack this is; another project's is refused."""
        return self.root / "project"

    @property
    def profile(self) -> Path:
        """How this user reaches the pool (address, CA, token), mode 0600, JSON."""
        return self.root / "profile.json"

    @property
    def nodes(self) -> Path:
        """One folder per local node."""
        return self.root / "nodes"

    @property
    def pool(self) -> Path:
        """Configuration, certificate and log of the pool service."""
        return self.root / "pool"


@dataclass(frozen=True)
class Home:
    """The user's data and cache.

    Attributes:
        data: ``$VDC_HOME``, else the platform's data folder. Lost data is lost work.
        cache: ``$VDC_CACHE``, else the platform's cache folder. Can be deleted at any time:
            engines and unpacked packages, made again from their pins.
    """

    data: Path
    cache: Path

    @classmethod
    def of_user(cls) -> Home:
        """Reads the two variables; makes nothing."""
        data = os.environ.get("VDC_HOME") or platformdirs.user_data_path("vdc")
        cache = os.environ.get("VDC_CACHE") or platformdirs.user_cache_path("vdc")
        return cls(Path(data).absolute(), Path(cache).absolute())

    def stack(self, name: str) -> StackHome:
        """The folder of one stack; not made here."""
        return StackHome(self.data / "stacks" / name)

    @property
    def backend(self) -> Path:
        """Pulumi's self-managed backend, unless the user named another."""
        return self.data / "pulumi"

    @property
    def engines(self) -> Path:
        """Engine builds, one folder per engine and pin."""
        return self.cache / "engines"

    @property
    def packages(self) -> Path:
        """Unpacked library artifacts, one folder per package and version."""
        return self.cache / "packages"

    @property
    def bundles(self) -> Path:
        """What a node is made of, one folder per content: the archive, and its sum in a file."""
        return self.cache / "bundles"
