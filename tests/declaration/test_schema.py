"""The published schema is what the models say, and says all that editors need."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from vdc.declaration import Declaration, schema
from vdc.declaration.loader import check_data
from vdc.declaration.published import CHECKOUT, FILE_NAME, shipped, stand_in


def objects(node) -> Iterator[dict]:
    """Every schema of a mapping with declared keys."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            yield node
        for inner in node.values():
            yield from objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from objects(inner)


def test_the_published_schema_is_up_to_date():
    command = [sys.executable, "-W", "error", "-m", "vdc.declaration.schema", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_stale_schema_fails(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(schema, "CHECKOUT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["schema", "--check"])
    assert schema.main() == 1
    assert "stale" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["schema"])
    assert schema.main() == 0
    assert (tmp_path / FILE_NAME).read_text() == (CHECKOUT / FILE_NAME).read_text()


def test_it_is_a_valid_schema():
    Draft202012Validator.check_schema(shipped())
    assert shipped()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_object_is_closed():
    assert all(found["additionalProperties"] is False for found in objects(shipped()))


@pytest.mark.parametrize(
    "found", list(objects(shipped())), ids=lambda found: found.get("title", "vdc")
)
def test_every_field_says_what_it_is_and_what_a_change_does(found):
    for name, field in found["properties"].items():
        described = field.get("description") or "$ref" in field
        assert described, f"{name} has no doc line"
        assert field["x-change"] in ("in-place", "replace", "refused"), name


def test_an_undeclared_policy_is_refused():
    assert shipped()["properties"]["name"]["x-change"] == "refused"


def test_the_smallest_declaration_the_schema_shows_is_right():
    """Remedies are made from it, and it stands in for what is wrong."""
    Declaration.model_validate(stand_in(shipped()))


def test_plain_jsonschema_agrees_without_our_forms():
    """Editors know patterns and bounds but not ``x-form``."""
    plain = Draft202012Validator(shipped())
    good = {"name": "dc", "control": {"site": "here"}, "sites": {"here": {"kind": "local"}}}
    assert plain.is_valid(good)
    assert not plain.is_valid({**good, "name": "Not A Name"})
    assert not plain.is_valid({**good, "control": {"site": "here", "price": -1}})
    group = {"count": 1, "size": {"cpu": 1, "memory": "4", "disk": "1GiB"}}
    assert not plain.is_valid(
        {**good, "sites": {"here": {"kind": "local", "groups": {"g": group}}}}
    )


def test_a_wheel_carries_the_schema(tmp_path):
    root = CHECKOUT.parent
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    script = (
        "import pathlib, vdc.declaration as d; from vdc.declaration import published as p;"
        "assert not p.CHECKOUT.exists(), p.CHECKOUT;"
        "assert d.check(pathlib.Path('stacks/local.yaml')).declaration"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=True)


def test_exact_steps():
    """0.3 is three steps of 0.1, whatever binary fractions say."""
    for tenths in range(1, 100):
        text = (
            "name: dc\ncontrol: {site: here, size: {cpu: %s, memory: 1GiB, disk: 1GiB}}\n"
            "sites: {here: {kind: local}}\n"
        ) % (tenths / 10)
        assert check_data(text.encode(), "steps.yaml").declaration is not None
