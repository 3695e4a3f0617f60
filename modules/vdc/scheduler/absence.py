"""Telling a scheduler that is away from one that refuses."""

from __future__ import annotations

from vdc.errors import SchedulerError

# How a server says that it cannot act now; it uses the same status for a job that is wrong.
_AWAY = (
    "no cluster leader",
    "no path to region",
    "rpc error: eof",
    "failed to get conn",
    "connection refused",
    "connection reset",
    "leadership lost",
    "leadership transfer",
    "not ready to serve",
    "raft is already shutdown",
    "node is not the leader",
    "has not been initialized yet",
    "i/o timeout",
)


def is_away(error: SchedulerError) -> bool:
    """Whether asking again later may help: no answer, or one that says "not now"."""
    if error.status == 0 or error.status in {502, 503, 504}:
        return True
    text = str(error).lower()
    return error.status >= 500 and any(phrase in text for phrase in _AWAY)
