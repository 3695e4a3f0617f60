"""Events as an iterator: taken up where they were left, given up when the pool is gone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx
import pytest

from vdc.client import events
from vdc.client.events import opened
from vdc.client.models import Event
from vdc.errors import PoolError

ADDRESS = "https://pool"


def message(number: int, **event: str) -> str:
    return f"event: x\ndata: {Event(**event).model_dump_json()}\nid: life-{number}\n\n"


def serving(*answers: str | Exception | int) -> tuple[httpx.Client, list[str | None]]:
    """A client whose requests are answered in turn, the last one for ever; and what was asked."""
    asked: list[str | None] = []
    following: Iterator[str | Exception | int] = itertools.chain(
        answers, itertools.repeat(answers[-1])
    )

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        match next(following):
            case str() as text:
                return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=text)
            case int() as status:
                return httpx.Response(status, json={"error": {"message": "no", "remedy": "do"}})
            case Exception() as error:
                raise error

    return httpx.Client(transport=httpx.MockTransport(answer), base_url=ADDRESS), asked


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_KNOCK_S", 0.0)
    monkeypatch.setattr(events, "_AWAY_S", 0.05)


def test_a_stream_that_ends_is_taken_up_where_it_was_left():
    first = message(1, kind="reset") + ": ping\n\n" + message(2, kind="node", name="a")
    http, asked = serving(first, message(3, kind="node", name="b"))
    with opened(http, ADDRESS) as stream:
        names = [event.name for event in itertools.islice(stream, 3)]
    assert names == ["", "a", "b"]
    assert asked == [None, "life-2"]


def test_a_service_that_restarts_is_waited_for():
    gone = httpx.ConnectError("refused")
    http, asked = serving(
        message(1, kind="reset"), gone, gone, message(1, kind="node", name="again")
    )
    with opened(http, ADDRESS) as stream:
        assert [event.name for event in itertools.islice(stream, 2)] == ["", "again"]
    assert asked == [None, "life-1", "life-1", "life-1"]


def test_a_service_that_stays_away_is_given_up():
    http, _ = serving(message(1, kind="reset"), httpx.ConnectError("refused"))
    with opened(http, ADDRESS) as stream, pytest.raises(PoolError, match="does not answer"):
        list(stream)


def test_a_service_that_was_never_there_is_given_up_at_once():
    http, asked = serving(httpx.ConnectError("refused"))
    with pytest.raises(PoolError, match="does not answer"), opened(http, ADDRESS):
        pass
    assert len(asked) == 1


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_refusal_is_not_asked_again(status):
    http, asked = serving(status)
    with pytest.raises(PoolError, match="no; do") as caught, opened(http, ADDRESS):
        pass
    assert caught.value.status == status
    assert len(asked) == 1
