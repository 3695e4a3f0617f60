"""Modules are short, and nothing in them only seems to be there."""

from __future__ import annotations

import ast

from structure.repository import modules

MOST_LINES = 300
LONGER = {
    "client/api.py": "one method for each call of the pool API, and nothing else",
    "scheduler/outcome.py": "one small reader for each of the scheduler's answers about work",
}
"""Modules that may be longer, each with the reason."""


def test_modules_are_short():
    lines = {module.place: len(module.text.splitlines()) for module in modules()}
    long = {place: count for place, count in lines.items() if count >= MOST_LINES}
    assert long.keys() <= LONGER.keys()


def test_nothing_is_left_to_be_written():
    found = [
        f"{module.place}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Name) and node.id == "NotImplementedError") or _is_hollow(node)
    ]
    assert not found


def _is_hollow(node: ast.AST) -> bool:
    """A function of nothing but ``pass`` or ``...``: one that does nothing says why instead."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return all(
        isinstance(line, ast.Pass)
        or (isinstance(line, ast.Expr) and getattr(line.value, "value", None) is Ellipsis)
        for line in node.body
    )
