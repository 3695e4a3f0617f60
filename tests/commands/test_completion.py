"""What the shell is told while somebody types."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from commands.fake import FakePool
from vdc.commands.grammar import app
from vdc.commands.session import Session
from vdc.errors import PoolError


def completed(session: Session | None, *words: str) -> list[str]:
    """What bash is told about the last word."""
    line = " ".join(("vdc", *words))
    env = {"_VDC_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    return CliRunner().invoke(app, [], obj=session, env=env, prog_name="vdc").output.split()


@pytest.fixture
def session() -> Session:
    return Session.of_terminal(FakePool)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("install", "sp"), ["spark"]),
        (("library", ""), ["hello", "spark"]),
        (("apps", ""), ["web"]),
        (("logs", ""), ["web", "run-1"]),
        (("stop", "r"), ["run-1"]),
        (("sta",), ["status"]),
    ],
)
def test_names_are_the_pools(session, words, names):
    assert completed(session, *words) == names


def test_a_pool_that_does_not_answer_completes_nothing():
    def connect() -> FakePool:
        raise PoolError("no pool is known")

    assert completed(Session.of_terminal(connect), "apps", "") == []  # type: ignore[arg-type]
    assert completed(None, "apps", "") == []
