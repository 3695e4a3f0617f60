"""Marks of ownership, and names within a cloud's limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from texts import texts
from vdc.plan.naming import fitted
from vdc.plan.tags import ours, tags, words

LONG = "a-data-centre-with-a-name-of-the-most-characters-that-there-are"


def test_empty_marks_are_left_out():
    assert tags("dc", "local", "cloud", "workers", "2026-12-31") == {
        "vdc-datacenter": "dc",
        "vdc-stack": "local",
        "vdc-site": "cloud",
        "vdc-group": "workers",
        "vdc-expires": "2026-12-31",
    }
    assert tags("dc", "local", "cloud").keys() == {"vdc-datacenter", "vdc-stack", "vdc-site"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"vdc-datacenter": "dc", "vdc-stack": "local", "team": "x"}, True),
        ({"vdc-datacenter": "dc", "vdc-stack": "local-2"}, False),
        ({"vdc-datacenter": "dc2", "vdc-stack": "local"}, False),
        ({"vdc-stack": "local"}, False),
        ({"vdc-datacenter": "dc"}, False),
        ({}, False),
    ],
)
def test_only_both_marks_make_a_thing_ours(found, expected):
    assert ours(found, "dc", "local") is expected


def test_words_of_long_names_fit_and_are_told_apart():
    mine = words(tags(LONG, "local", "cloud"))
    assert all(len(word) <= 60 for word in mine)
    read_back = dict(word.split("=", 1) for word in mine)
    assert ours(read_back, LONG, "local")
    assert not ours(read_back, LONG[:-1] + "x", "local")


@given(texts(min_size=1), texts(min_size=1), st.integers(min_value=10, max_value=80))
def test_a_fitted_name_fits_and_names_one_thing(one, other, longest):
    assert len(fitted(one, longest)) <= longest
    assert fitted(one, longest) == fitted(one, longest)
    if len(one) <= longest:
        assert fitted(one, longest) == one
    if one != other and len(one) > longest and len(other) > longest:
        assert fitted(one, longest) != fitted(other, longest)


def test_a_cut_name_says_what_it_was():
    name = fitted("dc-cloud-group-of-the-machines-for-the-night", 24)
    assert name.startswith("dc-cloud-group")
    assert "--" not in name
    with pytest.raises(ValueError, match="told from others"):
        fitted("something", 5)
