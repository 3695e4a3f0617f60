"""What must hold for a package beyond the shape of its ``package.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from vdc.declaration.finding import Finding, Findings, did_you_mean
from vdc.library.manifest import Manifest
from vdc.library.unfit import unfit

RESERVED = frozenset(
    {"app", "args", "artifacts", "datacenters", "files", "node_pool", "program", "run"}
)
"""Variables that every job file may have; no option takes their names."""

FILES = ("README.md", "example.yaml", "job.nomad.hcl")
"""What every package's folder holds beside ``package.yaml``."""


def findings(manifest: Manifest, folder: Path) -> Findings:
    """Everything that is wrong with a package whose manifest has the right shape."""
    if folder.name != manifest.name:
        remedy = f"write {folder.name}, or name the folder {manifest.name}"
        yield Finding(("name",), f"is not the folder's name (got {manifest.name})", remedy)
    yield from _files(manifest, folder)
    yield from _options(manifest.options)
    yield from _references(manifest)


def _files(manifest: Manifest, folder: Path) -> Findings:
    wanted: list[tuple[tuple[str | int, ...], str]] = [((), name) for name in FILES]
    wanted.append((("icon",), manifest.icon))
    for name, command in manifest.commands.items():
        wanted.append((("commands", name, "job"), command.job))
        for example, file in command.examples.items():
            wanted.append((("commands", name, "examples", example), file))
    for path, name in wanted:
        if not (folder / name).is_file():
            yield Finding(path, f"has no file {name}", f"add {name} to the folder")


def _options(schema: Mapping[str, Any]) -> Findings:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield Finding(
            ("options", *error.absolute_path), f"is no JSON Schema: {error.message}", "mend it"
        )
        return
    if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
        yield Finding(
            ("options",), "is open", "write type: object and additionalProperties: false below it"
        )
    for name, rule in schema.get("properties", {}).items():
        path = ("options", "properties", name)
        if name in RESERVED or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            yield Finding(path, "cannot be an option's name", "choose another, in lower case")
        if not rule.get("description"):
            yield Finding(path, "is not described", "add description:")
        if "default" in rule:
            for problem in unfit(rule, rule["default"]):
                at = (*path, "default", *problem.path)
                yield Finding(at, problem.message, problem.remedy)
        elif name not in schema.get("required", ()):
            yield Finding(
                path, "has no value when left out", "add default:, or name it in required"
            )


def _references(manifest: Manifest) -> Findings:
    properties = manifest.options.get("properties", {})
    for index, check in enumerate(manifest.health):
        at = ("health", index)
        yield from _known((*at, "endpoint"), check.endpoint, manifest.endpoints, "an endpoint")
        expectations = bool(check.option) + ("equals" in check.model_fields_set)
        if expectations != bool(check.field):
            remedy = "name a field with either option or equals, or none of the three"
            yield Finding(at, "does not say what is compared with what", remedy)
        if check.option:
            yield from _known((*at, "option"), check.option, properties, "an option")
    for group, option in manifest.scale.items():
        yield from _known(("scale", group), option, properties, "an option")
        if properties.get(option, {}).get("type", "integer") != "integer":
            yield Finding(("scale", group), f"is no count (got {option})", "name a whole number")


def _known(path: tuple[str | int, ...], name: str, known: Iterable[str], what: str) -> Findings:
    if name not in known:
        listed = ", ".join(known) or "none"
        yield Finding(
            path, f"is not {what} (got {name})", did_you_mean(name, known, f"use {listed}")
        )
