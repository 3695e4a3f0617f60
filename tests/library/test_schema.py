"""The published schema of packages is that of the models."""

from __future__ import annotations

from jsonschema import Draft202012Validator

from vdc.library import schema
from vdc.library.manifest import document_schema


def test_the_published_schema_is_up_to_date():
    assert schema.FILE.read_text() == schema.render(), "run python -m vdc.library.schema"


def test_it_is_a_schema_in_which_everything_is_described():
    Draft202012Validator.check_schema(document_schema())
    parts = [document_schema(), *document_schema()["$defs"].values()]
    undescribed = [
        name
        for part in parts
        for name, rule in part["properties"].items()
        if not rule.get("description")
    ]
    assert not undescribed
