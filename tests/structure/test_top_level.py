"""What the repository holds at its top, and what no file of it may hold."""

from __future__ import annotations

import re
import tomllib

import pytest

import vdc
from structure.repository import ROOT, texts, tracked

TOP = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "Pulumi.yaml",
    "README.md",
    "SECURITY.md",
    "docs",
    "examples",
    "modules",
    "pyproject.toml",
    "schemas",
    "stacks",
    "tests",
    "toolchain",
}

# In parts, so that this file does not find itself.
_DOT = "."
_HOSTS = [
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("proxy", "golang", "org"),
    ("sum", "golang", "org"),
    ("npmjs", "org"),
    ("crates", "io"),
    ("rubygems", "org"),
    ("maven", "org"),
    ("docker", "io"),
    ("ghcr", "io"),
    ("quay", "io"),
]
UNWANTED = {
    "host name of a package registry": "|".join(
        rf"\b{re.escape(_DOT.join(parts))}\b" for parts in _HOSTS
    ),
    "path of somebody's machine": r"(?<![\w.}>*-])/(?:" + "|".join(("home", "Users", "root"))
    + r")/\w",
    "note of unfinished work": r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME")) + r")\b",
}  # fmt: skip


def test_the_top_level_is_a_fixed_set():
    assert {name.partition("/")[0] for name in tracked()} == TOP


@pytest.mark.parametrize("what", UNWANTED)
def test_no_file_holds_a(what):
    unwanted = re.compile(UNWANTED[what])
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts().items()
        if unwanted.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if unwanted.search(line)
    ]
    assert not found


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("host name of a package registry", "https://files." + "pythonhosted" + _DOT + "org/x"),
        ("path of somebody's machine", "cd /" + "home/ann/vdc"),
        ("note of unfinished work", "# " + "TO" + "DO: later"),
    ],
)
def test_the_patterns_find_what_they_are_for(what, text):
    assert re.search(UNWANTED[what], text)


def test_one_version_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## \[(\S+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert project == vdc.__version__ == newest[1]
