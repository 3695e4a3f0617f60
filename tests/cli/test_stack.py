"""What the commands that change machines permit the provider."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vdc.cli import stack
from vdc.cli.before import Start
from vdc.cli.project import Stack
from vdc.provider.permissions import FORCE, VARIABLE, Permissions


def told(monkeypatch: pytest.MonkeyPatch, home: Path, silent: bool, *arguments: str) -> Permissions:
    """What the engine is started with by ``vdc destroy``, from a shell that permits everything."""
    started = []

    def run(_: Stack, environment: dict[str, str], *__: object, **___: object) -> int:
        started.append(Permissions.of(environment))
        return 1

    monkeypatch.setenv("VDC_HOME", str(home))
    stack.find_stack("dev").own.root.mkdir(parents=True)
    whole = {VARIABLE: FORCE.environment[VARIABLE]}
    monkeypatch.setattr(stack, "begin", lambda *_: Start(whole, False, silent))
    monkeypatch.setattr(stack.engine, "run", run)
    done = CliRunner().invoke(stack.app, ["destroy", "--stack", "dev", "--yes", *arguments])
    assert (done.exit_code, done.output) == (1, ""), "it goes on after an engine that failed"
    return started.pop()


def test_destroy_permits_nothing_by_itself(monkeypatch, tmp_path):
    assert told(monkeypatch, tmp_path, False) == Permissions()


def test_a_pool_that_does_not_answer_lets_destroy_go_on_without_it_and_no_further(
    monkeypatch, tmp_path
):
    assert told(monkeypatch, tmp_path, True) == Permissions(without_pool=True)


def test_force_alone_permits_everything(monkeypatch, tmp_path):
    assert told(monkeypatch, tmp_path, False, "--force") == FORCE
