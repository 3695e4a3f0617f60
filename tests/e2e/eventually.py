"""The one way in which these tests wait for something that offers no event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_POLL_S = 0.1

T = TypeVar("T")


def eventually(what: str, holds: Callable[[], T | None], within_s: float = 60.0) -> T:
    """The first true thing that ``holds`` gives.

    Raises:
        AssertionError: None came in time; names what was waited for and the last thing seen.
    """
    deadline = time.monotonic() + within_s
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}; last: {found!r}"
        time.sleep(_POLL_S)


def settled(look: Callable[[], T], wanted: T, within_s: float = 10.0) -> T:
    """What ``look`` gives once it is what is wanted, or when time is over: for an assertion."""
    deadline = time.monotonic() + within_s
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return seen
