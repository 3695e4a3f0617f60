"""A group grows and shrinks: nobody else is touched, and work moves before its node goes."""

from __future__ import annotations

import pytest

from e2e.caller import calling
from e2e.checkout import Checkout

pytestmark = [pytest.mark.real, pytest.mark.long]


def test_a_group_grows_and_shrinks_while_its_work_answers(fresh: Checkout) -> None:
    fresh.vdc("up", "--yes")
    before = fresh.workers()

    fresh.declare(workers=5)
    grown = fresh.vdc("up", "--yes")
    after = fresh.workers()
    assert "1 updated" in " ".join(grown.stdout.split())
    assert list(after) == fresh.names(5)
    assert {name: after[name] for name in before} == before
    assert fresh.ready() == fresh.names(5)

    with fresh.pool() as pool:
        pool.install("hello", "web", {"count": 5})
    with calling(fresh, "web-http") as caller:
        on_five = set(caller.registered)
        fresh.declare(workers=2)
        shrunk = fresh.vdc("up", "--yes")
        with fresh.pool() as pool:
            app = pool.app("web")
        asked = f"{caller.answered} requests, {caller.refused} connections refused"
    print(f"3 to 5: {grown.seconds:.1f} s, 5 to 2: {shrunk.seconds:.1f} s, {asked}")

    assert not caller.failures
    assert len(on_five) == 5
    assert set(caller.registered) != on_five, "nothing moved"
    assert app.status == "healthy"
    kept = fresh.names(2)
    assert fresh.workers() == {name: before[name] for name in kept}
    assert fresh.registered() == dict.fromkeys(kept, "ready"), "removed nodes are forgotten"
    assert sorted(folder.name for folder in fresh.own.nodes.glob("*workers*")) == kept
