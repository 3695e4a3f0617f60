"""Waiting no longer than somebody wants to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

from vdc.errors import PoolError

T = TypeVar("T")


def within(seconds: float | None, work: Callable[[], T], late: str) -> T:
    """What ``work`` returns, or raises; ``late`` is the error's text when it takes too long.

    Work that is late goes on in the background until the process ends.

    Raises:
        PoolError: The time is up.
    """
    if seconds is None:
        return work()
    answers: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((work(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise PoolError(late) from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]  # no error, so it is what work returned
