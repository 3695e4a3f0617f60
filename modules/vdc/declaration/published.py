"""The published JSON Schema of this installation, and what can be read out of it."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

FILE_NAME = "declaration.schema.json"
CHECKOUT = Path(__file__).parents[3] / "schemas"
"""Where the schemas are published in the repository; a wheel carries them in the package."""

Schema = dict[str, Any]


@cache
def shipped() -> Schema:
    """The schema that this installation checks against."""
    packaged: Traversable = resources.files("vdc") / "schemas" / FILE_NAME
    file = packaged if packaged.is_file() else CHECKOUT / FILE_NAME
    # Exact decimals on both sides, or 0.3 would not be a multiple of 0.1.
    schema: Schema = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    return schema


def resolved(schema: Schema) -> Schema:
    """The schema with what it refers to; what stands beside a reference wins."""
    if "$ref" not in schema:
        return schema
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**resolved(shipped()["$defs"][schema["$ref"].removeprefix("#/$defs/")]), **beside}


def stand_in(schema: Schema) -> Any:
    """Some value that the schema allows, as small as can be: the example where it has one."""
    schema = resolved(schema)
    if "oneOf" in schema:
        return stand_in(schema["oneOf"][0])
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema and "examples" not in schema:
        return stand_in(schema["anyOf"][0])
    if some := schema.get("examples") or schema.get("enum"):
        return some[0]
    if schema.get("minProperties"):
        return {stand_in(schema["propertyNames"]): stand_in(schema["additionalProperties"])}
    if "items" in schema:
        return [stand_in(schema["items"])]
    properties = schema.get("properties", {})
    return {key: stand_in(properties[key]) for key in schema.get("required", ())}
