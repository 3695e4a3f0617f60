"""Every example is a whole project: sound declarations, the program, a template."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vdc.declaration import load
from vdc.library import load as load_library
from vdc.plan import plan

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(folder for folder in (ROOT / "examples").iterdir() if folder.is_dir())


def declarations(folder: Path) -> list[Path]:
    """The example's declarations; Pulumi keeps its own settings beside them."""
    found = sorted((folder / "stacks").glob("*.yaml"))
    return [file for file in found if not file.name.startswith("Pulumi.")]


@pytest.fixture(params=EXAMPLES, ids=lambda folder: folder.name)
def example(request) -> Path:
    return request.param


def test_its_declarations_are_sound_and_plain_to_read(example):
    assert declarations(example)
    for file in declarations(example):
        assert file.read_text().startswith("# "), "it says what it is first"
        assert plan(load(file)).groups


def test_its_apps_are_in_the_library_with_those_options(example):
    library = load_library(())
    for file in declarations(example):
        for app in load(file).apps.values():
            library.get(app.package).check(app.options)


def test_its_program_is_the_one_of_this_repository(example):
    program = "stacks/__main__.py"
    assert (example / program).read_bytes() == (ROOT / program).read_bytes()


def test_it_is_a_template(example):
    project = yaml.safe_load((example / "Pulumi.yaml").read_text())
    assert project["template"]["description"]
    # What only a checkout has would keep a project elsewhere from starting.
    assert "plugins" not in project
    assert "options" not in (project["runtime"] if isinstance(project["runtime"], dict) else {})
    ours = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    assert (project["main"], project["stackConfigDir"]) == (ours["main"], ours["stackConfigDir"])


def test_its_readme_says_how_it_is_started(example):
    assert "vdc up" in (example / "README.md").read_text()
