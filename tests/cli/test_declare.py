"""``vdc validate`` and ``vdc plan`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vdc.cli.declare import app
from vdc.errors import DeclarationError

GOOD = """\
name: local
control: {site: here}
sites:
  here:
    kind: local
    groups:
      workers:
        count: 3
        size: {cpu: 2, memory: 4GiB, disk: 10GiB}
        price: 0.02
"""


@pytest.fixture(autouse=True)
def checkout(monkeypatch, tmp_path):
    """A checkout with one stack and Pulumi's settings of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VDC_STACK", raising=False)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "local.yaml").write_text(GOOD)
    (tmp_path / "stacks" / "Pulumi.local.yaml").write_text("encryptionsalt: x\n")


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_validate_without_a_file_checks_every_stack():
    Path("stacks/other.yaml").write_text(GOOD)
    done = run("validate", "--yes")
    assert done.exit_code == 0
    local, other = done.stdout.splitlines()
    assert local.startswith("stacks/local.yaml: ok (4 machines: 1 server, 3 workers; 6 cores, ")
    assert other.startswith("stacks/other.yaml: ok (")


def test_validate_goes_on_after_a_bad_file_and_exits_2():
    Path("stacks/bad.yaml").write_text(GOOD.replace("count:", "cuont:"))
    done = run("validate")
    assert done.exit_code == 2
    assert done.stdout.startswith("stacks/local.yaml: ok")
    (line,) = done.stderr.splitlines()
    assert line.endswith("workers.cuont: is not a known key; did you mean count?")


def test_validate_where_there_is_nothing_says_so():
    Path("stacks/local.yaml").unlink()
    done = run("validate")
    assert done.exit_code == 2
    assert "no stacks/*.yaml here" in done.stderr


def test_validate_as_json():
    Path("bad.yaml").write_text("name: dc\n")
    done = run("validate", "bad.yaml", "stacks/local.yaml", "--output", "json")
    assert done.exit_code == 2
    bad, good = json.loads(done.stdout)["files"]
    assert (bad["ok"], good["ok"]) == (False, True)
    assert [problem["path"] for problem in bad["problems"]] == ["control", "sites"]
    assert good["plan"]["total"]["machines"] == 4


@pytest.mark.parametrize("arguments", [(), ("local",), ("stacks/local.yaml",)])
def test_plan_takes_a_stack_or_a_file(arguments):
    done = run("plan", *arguments, "--output", "json", "--yes")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["name"] == "local"


def test_plan_follows_the_environment(monkeypatch):
    monkeypatch.setenv("VDC_STACK", "other")
    Path("stacks/other.yaml").write_text(GOOD.replace("name: local", "name: other"))
    assert json.loads(run("plan", "--output", "json").stdout)["name"] == "other"


def test_plan_shows_a_table():
    done = run("plan")
    assert "Data centre local" in done.stdout
    assert "0.06" in done.stdout


def test_plan_of_a_bad_declaration_leaves_the_message_to_the_caller():
    done = run("plan", "nowhere")
    assert isinstance(done.exception, DeclarationError)
    assert str(done.exception).startswith("stacks/nowhere.yaml:1: cannot be read")
