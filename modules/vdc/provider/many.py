"""The same for many, a few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

_T = TypeVar("_T")

# Calls that a scheduler answers in milliseconds; more at once would not make them quicker.
_AT_ONCE = 16


async def for_each(action: Callable[[_T], Awaitable[object]], items: Iterable[_T]) -> None:
    """Acts on every item, a bounded number at once.

    Raises:
        Exception: What the first one failed with; what was under way then is cancelled.
    """
    rest = iter(items)

    async def work() -> None:
        for item in rest:
            await action(item)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(_AT_ONCE):
                workers.create_task(work())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
