"""``package.yaml`` as typed models: the single place where its fields are declared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema

from vdc.declaration.fields import Model


def _text(pattern: str, example: str) -> Any:
    """Text of one form, with an example that problems and editors show."""
    return Field(pattern=pattern, examples=[example])


Name = Annotated[str, _text(r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$", "spark")]
Version = Annotated[str, _text(r"^[0-9]+(\.[0-9]+){1,3}([a-z0-9.+-]*)$", "1.0.0")]
Line = Annotated[str, _text(r"^\S([^\n]{0,118}\S)?$", "A small web service")]
File = Annotated[str, _text(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", "icon.svg")]
Inner = Annotated[str, _text(r"^[A-Za-z0-9_-][A-Za-z0-9_./-]*$", "examples/pi.py")]
Url = Annotated[str, _text(r"^[a-z][a-z0-9+.-]*://\{address\}", "http://{address}/")]
Sha256 = Annotated[str, _text(r"^[0-9a-f]{64}$", "64 hexadecimal digits")]
Pinned = Annotated[str, _text(r"^[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][^\s*]*$", "distribution==1.0.0")]


class EndpointManifest(Model):
    """A way to reach the software: the job registers the service ``<app>-<name>`` for it."""

    url: Url = Field(description="How to write it; {address} stands for host and port.")
    summary: Line = Field(description="What one finds there.")


class HealthManifest(Model):
    """A GET whose JSON answer says whether the software itself is well."""

    endpoint: Name = Field(description="The endpoint to ask.")
    path: str = Field("/", pattern=r"^/[!-~]*$", description="Path of the request.")
    field: str = Field(
        "", description="Dotted path into the JSON answer; none: any success will do."
    )
    option: str = Field("", description="The field must equal the value of this option.")
    equals: Any = Field(None, description="The field must equal this value.")


class CopyManifest(Model):
    """Files of an archive that are unpacked."""

    source: Inner = Field(alias="from", description="Folder in the archive, below its top folder.")
    to: Inner = Field(description="Folder that its content goes to.")


class ArtifactManifest(Model):
    """Software that every machine unpacks once per version and tasks only read."""

    version: Version = Field(description="The software's version; a folder of this name.")
    pypi: Pinned = Field(
        description="The pinned distribution, fetched with the machine's own pip and its settings."
    )
    sha256: Sha256 = Field(description="Digest of the archive, as the index publishes it.")
    size: int = Field(0, ge=0, description="Bytes of the archive, for progress.")
    unpack: tuple[CopyManifest, ...] = Field(min_length=1, description="What is unpacked.")
    skip: tuple[str, ...] = Field((), description="Globs on the archive's paths that are left out.")


class CommandManifest(Model):
    """Something that an installed app can be asked to run."""

    summary: Line = Field(description="What it does.")
    job: File = Field(description="Its job file, a batch job.")
    examples: Mapping[Name, Inner] = Field(
        default_factory=dict, description="Programs that come with the package: name and file."
    )


class Manifest(Model):
    """A library package: what it is, what can be set, how one knows that it is well."""

    name: Name = Field(description="What it is installed by; also the name of its folder.")
    version: Version = Field(description="The package's own version; raise it with every change.")
    summary: Line = Field(description="One line, shown in the library.")
    icon: File = Field("icon.svg", description="An SVG image in the package's folder.")
    options: dict[str, Any] = Field(
        description="JSON Schema of the options: an object, closed, each property described and "
        "with a default or required. The job file has a variable of each one's name."
    )
    endpoints: Mapping[Name, EndpointManifest] = Field(
        default_factory=dict, description="How its apps are reached, by name."
    )
    health: tuple[HealthManifest, ...] = Field(
        (), description="All must hold for an app to be healthy; none: that its job runs."
    )
    artifacts: Mapping[Name, ArtifactManifest] = Field(
        default_factory=dict, description="Software that its nodes unpack once, by name."
    )
    commands: Mapping[Name, CommandManifest] = Field(
        default_factory=dict, description="What its apps can be asked to run, by name."
    )
    secrets: tuple[Name, ...] = Field(
        (), description="Random values that each app gets, readable by its own job alone."
    )
    scale: Mapping[Name, str] = Field(
        default_factory=dict,
        description="Task groups whose count is an option; the first is scaled by default.",
    )
    privileged: bool = Field(
        False, description="Runs only on groups that are declared for privileged work."
    )


class _Generator(GenerateJsonSchema):
    """No titles: they only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@cache
def document_schema() -> dict[str, Any]:
    """JSON Schema of ``package.yaml``; published as ``schemas/package.schema.json``."""
    schema = Manifest.model_json_schema(schema_generator=_Generator)
    schema.pop("title")
    return {"$schema": _Generator.schema_dialect, "title": "vdc library package", **schema}
