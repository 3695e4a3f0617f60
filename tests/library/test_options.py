"""Options: typed, checked, filled in."""

from __future__ import annotations

import pytest

from vdc.errors import PackageError
from vdc.library.options import checked, typed

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["owner"],
    "properties": {
        "owner": {"type": "string", "description": "Who pays."},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
        "ratio": {"type": "number", "default": 0.5},
        "fast": {"type": "boolean", "default": False},
        "mode": {"enum": ["dark", "light"], "default": "dark"},
        "hosts": {"type": "array", "items": {"type": "integer"}, "default": []},
        "disk": {
            "type": "object",
            "additionalProperties": False,
            "default": {},
            "properties": {"size": {"type": "integer", "default": 10}},
        },
        "limit": {"type": ["integer", "null"], "default": None},
    },
}


def test_defaults_are_filled_in_everywhere_in_the_order_of_the_schema():
    options = checked("p", SCHEMA, {"disk": {}, "owner": "me"})
    assert list(options) == list(SCHEMA["properties"])
    assert options["disk"] == {"size": 10}
    assert options["count"] == 2


def test_what_was_given_is_left_alone_and_not_shared():
    given = {"owner": "me", "hosts": [1]}
    options = checked("p", SCHEMA, given)
    options["hosts"].append(2)
    options["disk"]["size"] = 11
    assert given == {"owner": "me", "hosts": [1]}
    assert checked("p", SCHEMA, given)["disk"] == {"size": 10}


def test_every_problem_is_told_at_once_with_a_remedy():
    wrong = {"cuont": 1, "ratio": "x", "fast": 1, "mode": "drak", "disk": {"size": 0.5}}
    with pytest.raises(PackageError) as caught:
        checked("p", SCHEMA, wrong)
    assert str(caught.value).splitlines() == [
        "p: option cuont is not known; did you mean count?",
        "p: option disk.size is not a whole number (got 0.5); write digits",
        "p: option fast is neither true nor false (got 1); write true or false",
        "p: option mode is none of dark, light (got 'drak'); did you mean dark?",
        "p: option owner is missing; give it a value (who pays)",
        "p: option ratio is not a number (got 'x'); write digits, with a dot for decimals",
    ]


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("owner", "007", "007"),
        ("count", "3", 3),
        ("count", "-3", -3),
        ("count", "three", "three"),
        ("ratio", "0.25", 0.25),
        ("fast", "Yes", True),
        ("fast", "off", False),
        ("fast", "1", "1"),
        ("hosts", "1, 2", [1, 2]),
        ("hosts", "", []),
        ("disk.size", "20", 20),
        ("limit", "null", None),
        ("limit", "4", 4),
        ("unknown", "5", "5"),
    ],
)
def test_typed_text_is_read_as_the_option_says(path, text, value):
    read = typed(SCHEMA, path, text)
    assert (read, type(read)) == (value, type(value))
