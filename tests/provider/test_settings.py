"""What is declared as one variable of the scheduler."""

from __future__ import annotations

import random

import pytest

from vdc.errors import StackError
from vdc.provider import settings


def groups(count: int, labels: int) -> dict[str, object]:
    """So many groups with labels that are as hard to compress as real ones never are."""
    draw = random.Random(7)  # noqa: S311 - no secret
    return {
        "currency": "EUR",
        "groups": [
            {
                "site": f"site-{number % 7}",
                "name": f"group-{number}",
                "node_class": f"group-{number}",
                "labels": {f"label-{k}": draw.randbytes(8).hex() for k in range(labels)},
                "price": str(draw.randrange(10_000) / 10_000),
            }
            for number in range(count)
        ],
        "library": [],
    }


def test_what_is_written_is_read_and_known_by_its_digest():
    told = groups(3, 1)
    found, digest = settings.decode(settings.encode(told))
    assert found == told
    assert digest == settings.digest(told)
    assert digest != settings.digest({**told, "currency": "USD"})


def test_five_hundred_groups_fit():
    items = settings.encode(groups(500, 6))
    assert sum(len(key) + len(value) for key, value in items.items()) < 64 * 1024


def test_what_cannot_be_kept_is_refused_in_one_line():
    with pytest.raises(StackError, match="fewer or shorter labels") as refused:
        settings.encode(groups(2000, 20))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "items", [{}, {"content": "eJw="}, {"content": "%", "digest": "d"}, {"content": "aGVsbG8="}]
)
def test_what_is_damaged_is_said(items):
    with pytest.raises(StackError, match="is damaged"):
        settings.decode(items)
