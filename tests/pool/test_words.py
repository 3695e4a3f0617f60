"""What users read when the scheduler says no."""

from __future__ import annotations

import pytest

from vdc.plan.model import Size
from vdc.pool.words import last_line, shortages_in_words
from vdc.scheduler.outcome import Shortage, TaskGroup

GROUP = TaskGroup("workers", 3, ("worker",), 2000, 4096, 300)
FREE = Size(1500, 8192, 900)


@pytest.mark.parametrize(
    ("shortage", "text"),
    [
        (
            Shortage("workers", 3, ("cpu",), (), 3),
            "3 of 3 :each needs 2,000 MHz, most free on one node is 1,500",
        ),
        (
            Shortage("workers", 1, ("memory",), (), 3),
            "1 of 3 :each needs 4,096 MiB of memory, and the nodes do not have that often enough",
        ),
        (
            Shortage("workers", 3, (), ("${attr.cpu.arch} = arm64",), 3),
            "3 of 3 :no node satisfies ${attr.cpu.arch} = arm64",
        ),
        (
            Shortage("workers", 3, (), (), 0),
            "3 of 3 :no node is ready to take them",
        ),
        (
            Shortage("workers", 3, ("network: port collision",), (), 2),
            "3 of 3 :network: port collision is exhausted",
        ),
    ],
)
def test_a_shortage_in_words(shortage, text):
    count, _, reason = text.partition(":")
    said = shortages_in_words([shortage], [GROUP], FREE)
    assert said == f"{count}instances of workers cannot be placed: {reason}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("\n \n", ""),
        ("a\nb\n\n", "b"),
        ("  no  such\tfile ", "no such file"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_the_last_line_that_says_something(text, line):
    assert last_line(text) == line
