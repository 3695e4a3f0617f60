"""The checkout and the stack that a command works on, and the environment Pulumi needs for it."""

from __future__ import annotations

import os
import secrets
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from vdc.errors import StackError
from vdc.home import Home, StackHome
from vdc.provider.processes import write_private
from vdc.toolchain.found import paths

STACK_VARIABLE = "VDC_STACK"
DEFAULT_STACK = "local"


@dataclass(frozen=True)
class Stack:
    """One stack of one checkout.

    Attributes:
        root: The folder of ``Pulumi.yaml``.
        name: The stack; ``stacks/<name>.yaml`` declares it.
        home: The user's data and cache.
    """

    root: Path
    name: str
    home: Home

    @property
    def declaration(self) -> Path:
        """The file that declares it."""
        return self.root / "stacks" / f"{self.name}.yaml"

    @property
    def own(self) -> StackHome:
        """The stack's folder outside the checkout."""
        return self.home.stack(self.name)

    @cached_property
    def settings(self) -> Mapping[str, object]:
        """``Pulumi.yaml``."""
        loaded = yaml.safe_load((self.root / "Pulumi.yaml").read_text())
        return loaded if isinstance(loaded, dict) else {}

    @property
    def project(self) -> str:
        """Pulumi's name of the project."""
        return str(self.settings.get("name", ""))

    @property
    def secrets(self) -> Path:
        """Pulumi's own settings of the stack, which say how its secrets are encrypted."""
        folder = self.root / str(self.settings.get("stackConfigDir", "."))
        return folder / f"Pulumi.{self.name}.yaml"

    @property
    def backend(self) -> str:
        """Where the state is: what the shell or ``Pulumi.yaml`` names, else a folder of vdc's."""
        chosen = os.environ.get("PULUMI_BACKEND_URL")
        backend = self.settings.get("backend")
        named = backend.get("url") if isinstance(backend, dict) else None
        return str(chosen or named or self.home.backend.as_uri())

    @property
    def own_backend(self) -> Path | None:
        """The folder of the state when it is the one vdc chose; None when the team chose one."""
        return self.home.backend if self.backend == self.home.backend.as_uri() else None

    @property
    def state_file(self) -> Path | None:
        """Where the backend that vdc chose keeps the stack's state; None while it has none."""
        if self.own_backend is None:
            return None
        file = self.own_backend / ".pulumi" / "stacks" / self.project / f"{self.name}.json"
        # Beside it lies a copy, which by itself is no stack to Pulumi.
        return next(
            (path for path in (file, file.with_name(f"{file.name}.gz")) if path.exists()), None
        )

    def environment(self) -> dict[str, str]:
        """What plain ``pulumi`` needs beside the shell's own variables.

        Pulumi's own settings win: a backend or passphrase that the shell or ``Pulumi.yaml``
        names is left alone.

        Raises:
            ToolchainError: An engine is not installed.
        """
        engines = paths(self.home)
        programs = [sysconfig.get_path("scripts"), engines.pulumi.parent, engines.nomad.parent]
        here = os.environ.get("PATH", os.defpath).split(os.pathsep)
        before = [p for p in dict.fromkeys(map(str, programs)) if p not in here[: len(programs)]]
        environment = {
            "PATH": os.pathsep.join(before + here),
            "VDC_HOME": str(self.home.data),
            "VDC_CACHE": str(self.home.cache),
            STACK_VARIABLE: self.name,
            "PULUMI_STACK": self.name,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        if self.own_backend:
            environment["PULUMI_BACKEND_URL"] = self.home.backend.as_uri()
        if self._own_passphrase:
            environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(self.own.passphrase)
        return environment

    def shell(self) -> dict[str, str]:
        """The shell's own variables and those: all that Pulumi is started with."""
        return {**os.environ, **self.environment()}

    @property
    def lacks_passphrase(self) -> bool:
        """Whether a passphrase is vdc's to keep, and there is none yet or no longer."""
        return self._own_passphrase and not self.own.passphrase.exists()

    @property
    def _own_passphrase(self) -> bool:
        """Whether vdc keeps the passphrase: unless the shell names one that is not of vdc's."""
        if "PULUMI_CONFIG_PASSPHRASE" in os.environ:
            return False
        named = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
        # `vdc env` of another stack may have named that stack's.
        return named is None or Path(named).is_relative_to(self.home.data)

    def claim(self) -> None:
        """Takes the stack's folder for this project, and makes its random passphrase once.

        Raises:
            StackError: The folder is another project's: its machines bear the same names.
        """
        owner = self.own.project
        if owner.exists() and owner.read_text() != self.project:
            raise StackError(
                f"there is a stack {self.name} of the project {owner.read_text()} on this machine; "
                "choose another name: vdc init NAME, then vdc up --stack NAME"
            )
        write_private(owner, self.project)
        if self.lacks_passphrase:
            write_private(self.own.passphrase, secrets.token_urlsafe(32))


def stack_name(name: str | None = None) -> str:
    """The stack that is meant: the one named, else ``$VDC_STACK``, else the default."""
    return name or os.environ.get(STACK_VARIABLE) or DEFAULT_STACK


def find_stack(name: str | None, folder: Path | None = None) -> Stack:
    """The stack of this name in the checkout around a folder (the current one by default).

    Raises:
        StackError: There is no project there.
    """
    folder = (folder or Path.cwd()).absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / "Pulumi.yaml").is_file() and (candidate / "stacks").is_dir():
            return Stack(candidate, stack_name(name), Home.of_user())
    raise StackError(
        f"{folder} is in no vdc project (no Pulumi.yaml with stacks/ beside it here or above); "
        "change to one"
    )
