"""A scheduler that is away is waited for; one that refuses is not."""

from __future__ import annotations

import pytest

from vdc.errors import SchedulerError
from vdc.pool.refusal import from_scheduler
from vdc.scheduler.absence import is_away


@pytest.mark.parametrize(
    ("text", "status", "away", "answered"),
    [
        ("no answer", 0, True, 503),
        ("No cluster leader", 500, True, 503),
        ("rpc error: EOF", 500, True, 503),
        ("anything", 503, True, 503),
        ("1 error occurred: Task group main validation failed", 500, False, 422),
        ("rpc error: Permission denied", 500, False, 403),
        ("Permission denied", 403, False, 403),
        ("Failed to parse job", 400, False, 400),
        ("job not found", 404, False, 404),
    ],
)
def test_what_an_answer_means(text, status, away, answered):
    error = SchedulerError(text, status)
    assert is_away(error) == away
    refusal = from_scheduler(error)
    assert refusal.status == answered
    assert "\n" not in str(refusal)
