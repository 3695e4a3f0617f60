"""Every file in tests/cases named declaration.* against the text beside it.

``declaration.error.<reason>.yaml`` must give exactly the lines of its ``.txt``;
``declaration.ok.<reason>.yaml`` the plan in its ``.json``, and no line but those of a
``.txt`` (warnings), if there is one.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from vdc.declaration import check, load
from vdc.declaration.loader import Checked
from vdc.declaration.rules import every_rule
from vdc.errors import DeclarationError
from vdc.plan import plan, render

CASES = Path(__file__).parents[1] / "cases"
BAD = sorted(file.name for file in CASES.glob("declaration.error.*.yaml"))
GOOD = sorted(file.name for file in CASES.glob("declaration.ok.*.yaml"))


@pytest.fixture(autouse=True)
def in_cases(monkeypatch):
    """Messages name the file as the user does; here by its base name."""
    monkeypatch.chdir(CASES)


def expected(name: str, suffix: str) -> str:
    file = Path(name).with_suffix(suffix)
    return file.read_text(encoding="utf-8") if file.exists() else ""


@cache
def refused(name: str) -> DeclarationError:
    """What is said to a bad one; each is read once."""
    with pytest.raises(DeclarationError) as caught:
        load(Path(name))
    return caught.value


@cache
def taken(name: str) -> Checked:
    """A good one; each is read once."""
    return check(Path(name))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_declaration_gives_exactly_its_lines(name):
    assert f"{refused(name)}\n" == expected(name, ".txt")


@pytest.mark.parametrize("name", GOOD)
def test_a_good_declaration_gives_its_plan(name):
    checked = taken(name)
    assert "".join(f"{problem}\n" for problem in checked.problems) == expected(name, ".txt")
    assert render.document(plan(checked.declaration)) == json.loads(expected(name, ".json"))


def test_there_are_thirty_bad_ones():
    assert len(BAD) >= 30


def test_every_rule_has_a_case():
    found = [problem for name in BAD for problem in refused(name).problems]
    found += [problem for name in GOOD for problem in taken(name).problems]
    assert set(every_rule()) <= {problem.rule for problem in found}


def test_every_expected_text_has_its_declaration():
    texts = {file.stem for file in CASES.glob("declaration.*") if file.suffix != ".yaml"}
    assert texts <= {Path(name).stem for name in BAD + GOOD}
