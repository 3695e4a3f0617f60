"""Kinds of sites: whole in every layer, and named nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import pytest
import yaml

from structure.repository import ROOT, Module, modules
from vdc.declaration.kinds import NAMES
from vdc.declaration.registry import KINDS
from vdc.provider.drivers import Driver
from vdc.provider.resources.node_group import NodeGroup
from vdc.sites.site import Site

LAYERS = ("declaration/sites", "sites", "provider/drivers")
"""Where a kind has a module of its own."""

NAMED_LIKE_A_KIND = {
    ("bootstrap/agent.py", "_NO_CLOUD"),
    ("cli/project.py", "DEFAULT_STACK"),
    ("declaration/kinds.py", "NAMES"),
    ("declaration/sites/libvirt/model.py", "TRANSPORTS"),
}
"""Constants that may hold the word: the registry's one line, the name of the default stack, which
is a stack's and no kind's, ways to a host that are called like one, and what the scheduler calls
its own parts. Whoever needs such a name
takes the constant."""

OF_LIBRARIES = {"load_ssh_public_key"}
"""Names that are not ours to choose: what they do is no kind's."""


def own(kind: str) -> set[str]:
    """A kind's own modules; a kind that outgrows one file is a folder of the same name."""
    return {f"{layer}/{kind}" for layer in LAYERS}


def mentions(tree: ast.Module, place: str) -> Iterator[tuple[int, str]]:
    """Lines of code that name a kind, each with the kind.

    A name does when one of its parts is the kind (``local_driver``, ``LocalDriver``), a string
    when it is one word with such a part (``local``, ``vdc:local:NodeGroup``, ``local.yaml``).
    Sentences are for people: an English word that is also a kind decides nothing there.
    """
    constants = {name for where, name in NAMED_LIKE_A_KIND if where == place}
    allowed = {
        id(inner)
        for node in (ast.walk(tree) if constants else ())
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in constants
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in allowed:
            continue
        for word in _words(node):
            if word not in OF_LIBRARIES:
                for kind in _kinds(word):
                    yield getattr(node, "lineno", 0), kind


def _words(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)) if len(text.split()) == 1:
            yield text
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            yield name
        case ast.keyword(arg=str(name)) | ast.alias(name=name):
            yield name
        case ast.ImportFrom(module=str(name)):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name


@cache
def _kinds(word: str) -> frozenset[str]:
    return frozenset(_parts(word) & set(NAMES))


def _parts(word: str) -> set[str]:
    word = re.sub(r"\+\w+", "", word)  # of an address: how it is reached, and no kind
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", word)
    return {part.lower() for part in re.split(r"[^A-Za-z0-9]+", spaced) if part} | {
        part.lower() for part in re.split(r"[^A-Za-z0-9]+", word)
    }


@cache
def everywhere() -> tuple[tuple[Module, int, str], ...]:
    """Every mention of a kind in the package: it is read once for all of them."""
    return tuple(
        (module, *found) for module in modules() for found in mentions(module.tree, module.place)
    )


@pytest.mark.parametrize("kind", NAMES)
def test_no_kind_is_named_outside_its_files(kind):
    found = [
        f"{module.place}:{line} names {kind}"
        for module, line, named in everywhere()
        if named == kind
        and not any(module.place.startswith((f"{place}.py", f"{place}/")) for place in own(kind))
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("if kind == 'local': pass", True),
        ("x = 'vdc:local:NodeGroup'", True),
        ("from vdc.sites.local import Local", True),
        ("class LocalDriver: pass", True),
        ("path = stacks / 'local.yaml'", True),
        ("host = 'localhost'", False),
        ("help = 'a folder, on a local disk'", False),
        ("def f():\n    '''A local folder.'''", False),
        ("DEFAULT_STACK = 'local'", False),
        ("OTHER = 'local'", True),
        ("uri = 'qemu+local://host/system'", False),
    ],
)
def test_what_a_mention_is(text, named):
    kinds = {kind for _, kind in mentions(ast.parse(text), "cli/project.py")}
    assert kinds == ({"local"} if named else set())


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_has_a_documented_module_in_every_layer(kind):
    for layer in LAYERS:
        assert import_module(f"vdc.{layer.replace('/', '.')}.{kind}").__doc__
    assert KINDS[kind].rules, "a kind has limits; a rule says them before anything is made"


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_has_a_component(kind):
    component = import_module(f"vdc.sites.{kind}").COMPONENT
    assert issubclass(component, Site)
    assert component.kind == kind
    assert component.__doc__


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_has_a_driver_or_a_fleet(kind):
    """It makes its nodes one by one, or tells the cloud how many there are to be."""
    drivers = import_module(f"vdc.provider.drivers.{kind}")
    assert callable(drivers.reap)
    if not hasattr(drivers, "GROUP"):
        assert callable(drivers.fleet)
        return
    group = drivers.GROUP
    assert issubclass(group, NodeGroup)
    assert group.token == f"vdc:{kind}:NodeGroup"
    made = [value for value in vars(drivers).values() if isinstance(value, type)]
    wanted = [name for name in vars(Driver) if not name.startswith("_")]
    assert any(all(hasattr(driver, name) for name in wanted) for driver in made)


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_has_an_example(kind):
    declared = [
        site["kind"]
        for file in (ROOT / "examples").glob("*/stacks/*.yaml")
        if not file.name.startswith("Pulumi.")
        for site in yaml.safe_load(file.read_text())["sites"].values()
    ]
    assert kind in declared


@pytest.mark.parametrize("kind", NAMES)
def test_a_kind_has_an_error_case(kind):
    cases = sorted((ROOT / "tests" / "cases").glob(f"declaration.error.{kind}_*.yaml"))
    assert cases
    for case in cases:
        assert case.with_suffix(".txt").read_text()
