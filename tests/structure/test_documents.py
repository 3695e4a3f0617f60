"""What the documents say exists: files, commands with their options, targets, keys."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from typer.exceptions import TyperException

from structure.repository import ROOT, texts
from vdc.cli.main import app
from vdc.declaration import reference
from vdc.declaration.registry import NAMES
from vdc.pool.auth import OPEN
from vdc.pool.joining.routes import router as joining
from vdc.pool.software.depot import depot
from vdc.scheduler.policies import POLICIES

PAGES = {name: text for name, text in texts().items() if name.endswith(".md")}


def links(text: str) -> Iterator[str]:
    """Targets of a page's links and pictures inside the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            yield target.partition("#")[0]


def commands(text: str) -> Iterator[list[str]]:
    """Every whole command of ours: lines of a code block, and inline code."""
    blocks = re.findall(r"^(?: {4}|\t)(.+)$", text, re.MULTILINE)
    for code in [*blocks, *re.findall(r"`([^`\n]+)`", text)]:
        if re.match(r"(\S*/)?vdc \S", code):
            yield shlex.split(code, comments=True)[1:]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    assert [target for target in links(PAGES[page]) if not (folder / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_those_of_the_command_line(page):
    objections = [objection(words) for words in commands(PAGES[page])]
    assert [text for text in objections if text] == []


def objection(words: list[str]) -> str:
    """What the real grammar has against a command, which is read and not carried out."""
    command, rest = typer.main.get_command(app), words
    while isinstance(command, typer.core.TyperGroup) and rest and not rest[0].startswith("-"):
        inner = command.get_command(None, rest[0])
        if inner is None:
            return f"there is no command {rest[0]} (vdc {shlex.join(words)})"
        command, rest = inner, rest[1:]
    if not rest or "--help" in rest:
        return ""  # a command that is named, and not written out
    try:
        command.make_context("vdc", list(rest))
    except TyperException as error:
        return f"{error} (vdc {shlex.join(words)})"
    return ""


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("    vdc pool", True),
        ("    .venv/bin/vdc install spark --name pi --set workers=2", True),
        ("say `vdc up --yes`", True),
        ("    vdc submit pi example:pi -- 20", True),
        ("    vdc puol --yes", False),
        ("    vdc install spark --nmae pi", False),
        ("say `vdc toolchain get --yes`", False),
    ],
)
def test_wrong_commands_are_found(text, good):
    (words,) = commands(text)
    assert (objection(words) == "") is good


def test_targets_are_those_of_the_makefile():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = {
        target
        for text in PAGES.values()
        for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE)
    }
    assert said
    assert said <= known


def test_every_policy_has_its_holder_in_the_table_of_tokens():
    security = PAGES["SECURITY.md"]
    holders = re.findall(r"^\|[^|]*\(`(vdc-[a-z-]+)`\)", security, re.MULTILINE)
    assert set(holders) == {policy.name for policy in POLICIES}


def test_the_routes_without_a_token_are_listed():
    routes = (*joining.routes, *depot().routes)
    for_nodes = {f"{method} {route.path}" for route in routes for method in route.methods}
    listed = re.findall(r"^\| `((?:GET|POST) \S+)` \|", PAGES["SECURITY.md"], re.MULTILINE)
    assert set(listed) == {f"GET {path}" for path in OPEN} | for_nodes


def test_the_reference_of_the_declaration_is_up_to_date():
    written = (ROOT / "docs" / "guide" / "declaration.md").read_text(encoding="utf-8")
    assert written == reference.render(), (
        "run: python -m vdc.declaration.reference > docs/guide/declaration.md"
    )


def test_every_decision_is_in_the_list():
    folder = ROOT / "docs" / "adr"
    listed = set(links((folder / "README.md").read_text()))
    assert listed == {file.name for file in folder.glob("[0-9]*.md")}


def test_every_kind_is_in_the_table_of_what_was_tried():
    tried = PAGES["README.md"].partition("## What was tried")[2]
    assert [name for name in NAMES if f"`{name}`" not in tried] == []
