"""A Pulumi program of a test's own, run by the real engine with the stand-ins on PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labs.standin import plugins
from vdc.home import Home
from vdc.toolchain.pins import PULUMI

_REPOSITORY = Path(__file__).parents[3]
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Program:
    """One stack, ``lab``, of a project in a folder; see :func:`program`.

    Attributes:
        folder: Holds the project, its state and the plugins.
        environment: Of every command.
    """

    folder: Path
    environment: Mapping[str, str]

    def write(self, source: str) -> None:
        """Makes this the program."""
        (self.folder / "__main__.py").write_text(source)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Sets what the program asks its configuration for."""
        self.pulumi("config", "set-all", *(f"--plaintext={k}={v}" for k, v in settings.items()))

    def pulumi(self, *arguments: str, code: int = 0) -> str:
        """Runs ``pulumi`` on the stack; it must end so. Returns all that it said."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{arguments}: {done.returncode}, not {code}\n{said}"
        return said

    def up(self, source: str | None = None, *arguments: str, code: int = 0) -> str:
        """``pulumi up``, of a new program if one is given."""
        if source is not None:
            self.write(source)
        return self.pulumi("up", "--yes", *arguments, code=code)

    def resources(self) -> dict[str, Any]:
        """What the state holds, by name or, of several with one name, by ``name (type)``."""
        state = json.loads(self.pulumi("stack", "export"))["deployment"].get("resources", ())
        named = [(resource["urn"].rpartition("::")[2], resource) for resource in state]
        names = [name for name, _ in named]
        return {
            name if names.count(name) == 1 else f"{name} ({resource['type']})": resource
            for name, resource in named
        }


def program(folder: Path, **environment: str) -> Program:
    """A project with an empty stack.

    Args:
        folder: Of its own, empty or not there.
        environment: Whatever leads to the cloud (``AWS_ENDPOINT_URL``).
    """
    bin_folder = Path(sys.prefix) / "bin"
    engine = Home.of_user().engines / f"pulumi-{PULUMI.version}" / "bin"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "AWS_", "OS_"))}
    made = Program(
        folder,
        {
            **kept,
            "PATH": f"{plugins(folder / 'plugins')}:{bin_folder}:{engine}:{os.environ['PATH']}",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONPATH": f"{_REPOSITORY / 'modules'}",
            **environment,
        },
    )
    (folder / "state").mkdir(parents=True, exist_ok=True)
    project = {
        "name": "standin",
        "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}},
        "plugins": {"languages": [{"name": "python", "path": str(bin_folder)}]},
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(project))
    made.pulumi("stack", "init", "lab")
    return made
