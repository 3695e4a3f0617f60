"""A layer imports only layers left of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from structure.repository import modules

ORDER = (
    ("errors", "home", "standby"),
    ("declaration",),
    ("plan",),
    ("bootstrap",),
    ("scheduler",),
    ("library",),
    ("policy",),
    ("client",),
    ("sites", "provider"),
    ("commands",),
    ("pool",),
    ("review", "toolchain"),
    ("cli",),
)
"""From left to right; layers of one place know nothing of each other."""

RANK = {layer: rank for rank, layers in enumerate(ORDER) for layer in layers}

FACTS = {"__version__", "__file__"}
"""What a layer may ask the package itself; its ``__init__`` offers the layers to users."""


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and layer of each import, wherever it stands: in functions and for typing, too."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, layer) for a in names for layer in _layer(a.name))
            case ast.ImportFrom(module="vdc", names=names):
                yield from ((node.lineno, a.name) for a in names if a.name not in FACTS)
            case ast.ImportFrom(module=str(module), level=0):
                yield from ((node.lineno, layer) for layer in _layer(module))
            case ast.ImportFrom():
                yield node.lineno, "a relative import"
            case ast.Call(func=function, args=[name, *_]) if _imports(function):
                # As registries import: the name is whole, or a text that begins with it.
                texts = (n.value for n in ast.walk(name) if isinstance(n, ast.Constant))
                yield from ((node.lineno, layer) for t in texts for layer in _layer(str(t)))
            case ast.Attribute(value=ast.Name(id="vdc"), attr=name) if name not in FACTS:
                yield node.lineno, name


def _imports(function: ast.expr) -> bool:
    """Whether it is ``import_module``, under either of its two spellings."""
    return "import_module" in {getattr(function, "id", ""), getattr(function, "attr", "")}


def _layer(module: str) -> Iterator[str]:
    package, _, rest = module.partition(".")
    if package == "vdc" and rest:
        yield rest.partition(".")[0]


def test_every_module_is_in_a_layer():
    """A new folder gets its place in ORDER before anything else."""
    assert {module.layer for module in modules() if module.layer} <= RANK.keys()


def test_imports_go_left():
    wrong = [
        f"{module.place}:{line} imports {layer}"
        for module in modules()
        for line, layer in imported(module.tree)
        if module.layer and layer != module.layer
        if RANK.get(layer, len(ORDER)) >= RANK[module.layer]
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import vdc.pool.views", ["pool"]),
        ("from vdc.cli.main import app", ["cli"]),
        ("from vdc import __version__, sites", ["sites"]),
        ("import vdc\nvdc.load('x')", ["load"]),
        ("import vdc\nvdc.__version__", []),
        ("def f():\n    from vdc.review import x", ["review"]),
        ("if TYPE_CHECKING:\n    import vdc.client", ["client"]),
        ("import_module(f'vdc.provider.drivers.{name}')", ["provider"]),
        ("importlib.import_module('vdc.sites.x')", ["sites"]),
        ("from .other import x", ["a relative import"]),
        ("import httpx, ast", []),
        ("[python, '-m', 'vdc.pool']", []),
    ],
)
def test_every_way_of_importing_is_seen(text, found):
    assert [layer for _, layer in imported(ast.parse(text))] == found
