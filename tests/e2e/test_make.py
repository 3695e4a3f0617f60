"""The two commands of the README, in a fresh clone: `make up` and `make down`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from e2e.checkout import REPOSITORY, Checkout, checkout

pytestmark = [pytest.mark.real, pytest.mark.long]


@pytest.fixture
def clone() -> Iterator[Checkout]:
    """The whole repository as a user has it, without an environment yet."""
    # Long enough to make that; the engines are in the cache.
    with checkout("local", patience_s=1200) as made:
        shutil.rmtree(made.root)
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, made.root], check=True)
        yield replace(made, scripts=made.root / ".venv" / "bin")


def test_make_up_makes_it_once_and_make_down_leaves_nothing(clone: Checkout) -> None:
    first = clone.make("up")
    assert "The data centre is up." in first.stdout
    assert clone.ready() == clone.names(3)
    before = {name: process.pid for name, process in clone.agents().items()}

    again = clone.make("up")
    print(f"make up: {first.seconds:.1f} s, then {again.seconds:.1f} s")
    assert "9 unchanged" in again.stdout
    assert {name: process.pid for name, process in clone.agents().items()} == before

    clone.make("down")
    assert clone.left() == []
