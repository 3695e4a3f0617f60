"""What holds for every kind of site, and for more kinds than there are yet."""

from __future__ import annotations

import copy
from importlib import import_module
from pathlib import Path

import pytest

from vdc.declaration import shape
from vdc.declaration.document import read
from vdc.declaration.published import shipped
from vdc.declaration.registry import KINDS

CASES = Path(__file__).parents[1] / "cases"
KNOWN = ", ".join((*KINDS, "far"))


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_whole(name):
    module = import_module(f"vdc.declaration.sites.{name}")
    kind = KINDS[name]
    assert kind.name == name
    assert module.__doc__
    assert kind.site.__doc__
    branch = shipped()["properties"]["sites"]["additionalProperties"]["discriminator"]["mapping"]
    assert branch[name] == f"#/$defs/{kind.site.__name__}"
    cases = CASES.glob("declaration.ok.*.yaml")
    assert any(f"kind: {name}" in file.read_text() for file in cases)


@pytest.fixture
def two_kinds(monkeypatch):
    """The published schema with a second kind, which has a key of its own."""
    schema = copy.deepcopy(shipped())
    schema["$defs"]["FarSite"] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "hosts"],
        "properties": {
            "kind": {"const": "far"},
            "hosts": {"type": "integer", "minimum": 1, "description": "Hosts.", "examples": [2]},
        },
    }
    site = schema["properties"]["sites"]["additionalProperties"]
    site["oneOf"].append({"$ref": "#/$defs/FarSite"})
    site["discriminator"]["mapping"]["far"] = "#/$defs/FarSite"
    monkeypatch.setattr(shape, "shipped", lambda: schema)
    shape._validator.cache_clear()
    yield
    shape._validator.cache_clear()


def misfits(site: str) -> list[tuple[str, str, str]]:
    document = read(f"name: dc\ncontrol: {{site: a}}\nsites:\n  a: {site}\n".encode(), "f.yaml")
    return [
        (".".join(map(str, misfit.path)), misfit.message, misfit.remedy)
        for misfit in shape.misfits(document)
    ]


@pytest.mark.usefixtures("two_kinds")
@pytest.mark.parametrize(
    ("site", "found"),
    [
        ("{kind: far, hosts: 0}", [("sites.a.hosts", "is less than 1 (got 0)", "write 1 or more")]),
        ("{kind: far, hots: 3}", [("sites.a.hots", "is not a known key", "did you mean hosts?")]),
        ("{kind: local, hosts: 3}",
         [("sites.a.hosts", "is not a known key", "the keys here are kind, groups")]),
        ("{kind: fra, hosts: 3}",
         [("sites.a.kind", "is not a known kind (got fra)",
           f"did you mean far? (known kinds: {KNOWN})")]),
        ("{kind: [far], hosts: 3}",
         [("sites.a.kind", "is not a known kind (got a list)",
           f"write one of them (known kinds: {KNOWN})")]),
        ("{hosts: 3}",
         [("sites.a.kind", "is missing", f"add kind: local (known kinds: {KNOWN})")]),
    ],
)  # fmt: skip
def test_a_site_is_judged_by_the_kind_it_names(site, found):
    shown = [misfit for misfit in misfits(site) if misfit[1] != "is missing" or "kind" in misfit[0]]
    assert shown == found
