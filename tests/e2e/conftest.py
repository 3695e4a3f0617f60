"""Data centres for end-to-end tests."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from e2e.checkout import Checkout, checkout


@pytest.fixture
def fresh() -> Iterator[Checkout]:
    """A checkout with a declaration of three work nodes, and nothing made of it yet."""
    with checkout(_name()) as made:
        yield made


@pytest.fixture(scope="module")
def running() -> Iterator[Checkout]:
    """A running data centre that the tests of a module share; they leave it as it is."""
    with checkout(_name()) as made:
        made.vdc("up", "--yes")
        yield made


def _name() -> str:
    return f"t{secrets.token_hex(3)}"
