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


@pytest.fixture(scope="session")
def running() -> Iterator[Checkout]:
    """A running data centre with an app, shared by the tests that leave it as it is.

    What its ``up`` said is in :attr:`~e2e.checkout.Checkout.first_words`.
    """
    with checkout(_name()) as made:
        made.first_words.write_text(made.vdc("up", "--yes", "--diff").text)
        made.vdc("install", "hello", "--name", "web")
        yield made


def _name() -> str:
    return f"t{secrets.token_hex(3)}"
