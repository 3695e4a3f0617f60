"""The same for many, a few at once."""

import asyncio

import pytest

from vdc.errors import SchedulerError
from vdc.provider.many import for_each


def test_every_item_has_its_turn_and_few_have_it_at_the_same_time():
    done, now, most = [], 0, 0

    async def act(item: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        done.append(item)

    asyncio.run(for_each(act, range(4000)))
    assert sorted(done) == list(range(4000))
    assert 1 < most <= 16


def test_the_first_failure_is_raised_as_itself_and_nothing_is_begun_after_it():
    begun = []

    async def act(item: int) -> None:
        begun.append(item)
        await asyncio.sleep(0)
        raise SchedulerError(f"no {item}")

    with pytest.raises(SchedulerError, match=r"^no 0$"):
        asyncio.run(for_each(act, range(4000)))
    assert len(begun) <= 16
