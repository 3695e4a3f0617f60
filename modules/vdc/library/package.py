"""A library package as the rest of vdc uses it: frozen, checked, ready to be rendered.

An installed package is an *app*. Everything an app is called in the scheduler begins with the
app's name, so that one package runs many times side by side.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vdc.errors import PackageError
from vdc.library import hcl
from vdc.library.options import checked
from vdc.library.parts import (
    Artifact,
    Call,
    Command,
    Endpoint,
    Facts,
    HealthCheck,
    Rendered,
)

MAX_PROGRAM_BYTES = 256 * 1024


@dataclass(frozen=True)
class Package:
    """Software that can be installed on the pool, any number of times.

    Attributes:
        name: What it is installed by.
        version: The package's own version, not the software's.
        summary: One line.
        icon: An SVG image, as text.
        readme: The package's README, Markdown.
        options_schema: JSON Schema of the options, every one with a default or required.
        job_hcl: The Nomad job file.
        endpoints: How its apps are reached.
        health: Every check must be met for an app to be healthy; none means that a successful
            deployment is enough.
        artifacts: What every node that runs it needs unpacked.
        commands: What its apps can be asked to run, by name.
        secrets: Names of random values that each app gets; see :func:`secrets_path`.
        scale: The options that are counts of a task group: ``(task group, option)`` pairs. The
            first is what scaling means when no group is named.
        privileged: Whether it may run only on hardware declared for such work.
        files: Files that the job file places beside its tasks, by name.
    """

    name: str
    version: str
    summary: str
    icon: str = field(repr=False)
    readme: str = field(repr=False)
    options_schema: Mapping[str, Any] = field(repr=False)
    job_hcl: str = field(repr=False)
    endpoints: tuple[Endpoint, ...]
    health: tuple[HealthCheck, ...]
    artifacts: tuple[Artifact, ...]
    commands: Mapping[str, Command]
    secrets: tuple[str, ...]
    scale: tuple[tuple[str, str], ...]
    privileged: bool
    files: Mapping[str, bytes] = field(repr=False)

    def check(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options with every default filled in; nothing else is changed.

        Raises:
            PackageError: They do not fit the schema; the text lists every problem.
        """
        return checked(self.name, self.options_schema, options)

    def render(self, app: str, options: Mapping[str, Any], facts: Facts) -> Rendered:
        """The job of one app. Pure: the same arguments give the same text.

        Raises:
            PackageError: The options do not fit the schema, or hold what no job can be given.
        """
        return self._rendered(self.job_hcl, app, options, facts, {})

    def render_command(
        self, name: str, app: str, call: Call, options: Mapping[str, Any], facts: Facts
    ) -> Rendered:
        """The batch job of one run of a command, under the options that the app runs with.

        Raises:
            PackageError: No such command, too big a program, or as for :meth:`render`.
        """
        if name not in self.commands:
            known = ", ".join(self.commands) or "none"
            raise PackageError(f"{self.name} has no command {name!r}; there are: {known}")
        if len(call.program) > MAX_PROGRAM_BYTES:
            raise PackageError(
                f"the program has {len(call.program):,} bytes; a job carries at most "
                f"{MAX_PROGRAM_BYTES:,}, so let it load the rest itself"
            )
        extra: dict[str, hcl.Value] = {
            "run": call.run,
            "program": _base64(call.program),
            "args": _base64(json.dumps(call.args).encode()),
        }
        return self._rendered(self.commands[name].job_hcl, app, options, facts, extra)

    def _rendered(
        self,
        job: str,
        app: str,
        options: Mapping[str, Any],
        facts: Facts,
        extra: Mapping[str, hcl.Value],
    ) -> Rendered:
        values: dict[str, hcl.Value] = {
            "app": app,
            "datacenters": list(facts.datacenters),
            "node_pool": facts.node_pool,
            "artifacts": {artifact.name: artifact.folder for artifact in self.artifacts},
            "files": {name: _base64(content) for name, content in self.files.items()},
            **self.check(options),
            **extra,
        }
        try:
            return Rendered(job, hcl.assignments(values))
        except ValueError as error:
            raise PackageError(f"{self.name}: an option cannot be used: {error}") from error

    def scaled(self, options: Mapping[str, Any], count: int, group: str = "") -> dict[str, Any]:
        """The options under which a task group has another count.

        Args:
            options: What the app runs with.
            count: How many the group shall have.
            group: A task group; the package's first when empty.

        Raises:
            PackageError: Nothing of the package scales, the group is not one that does, or the
                count is outside the option's bounds.
        """
        by_group = dict(self.scale)
        chosen = group or next(iter(by_group), "")
        if chosen not in by_group:
            known = ", ".join(by_group) or "none"
            raise PackageError(f"{self.name} cannot scale {group or 'anything'}; it can: {known}")
        return self.check({**options, by_group[chosen]: count})


def secrets_path(app: str) -> str:
    """Where an app's secrets lie in the scheduler's variables: readable by its own job alone.

    Whoever installs the app creates the variable before the job, one random value per name in
    :attr:`Package.secrets`, keeps it when it is there, and removes it with the app.
    """
    return f"nomad/jobs/{app}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
