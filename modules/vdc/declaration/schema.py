"""Makes the published JSON Schema from the models: ``python -m vdc.declaration.schema``."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from vdc.declaration.model import Declaration
from vdc.declaration.published import CHECKOUT, FILE_NAME


class _Generator(GenerateJsonSchema):
    """Says what a YAML file may hold, where pydantic would say what Python may pass."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No titles: they only repeat the key."""
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An optional key is left out; ``key:`` with nothing behind it is a slip."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """No ``default: null``, for the same reason."""
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Decimals are numbers, and only numbers."""
        return self.float_schema({**schema, "type": "float"})  # type: ignore[typeddict-item]

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Names lead to values: each checked by its own schema, whatever the other says."""
        made: JsonSchemaValue = {
            "type": "object",
            "propertyNames": self.generate_inner(schema["keys_schema"]),
            "additionalProperties": self.generate_inner(schema["values_schema"]),
        }
        if "min_length" in schema:
            made["minProperties"] = schema["min_length"]
        return made


def render() -> str:
    """The schema as the text of its file."""
    schema = Declaration.model_json_schema(schema_generator=_Generator)
    head = {"$schema": _Generator.schema_dialect, "title": "vdc declaration"}
    schema.pop("title")
    return json.dumps({**head, **schema}, indent=2, default=float) + "\n"


def main() -> int:
    """Writes the schema, or with ``--check`` only says whether the file is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    file = CHECKOUT / FILE_NAME
    if not parser.parse_args().check:
        file.parent.mkdir(exist_ok=True)
        file.write_text(render(), encoding="utf-8")
        return 0
    if file.is_file() and file.read_text(encoding="utf-8") == render():
        return 0
    sys.stderr.write(f"{file} is stale; run python -m vdc.declaration.schema\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
