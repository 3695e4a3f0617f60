"""Waiting for pool services: how far each has come is said in one line."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from vdc.provider import pki
from vdc.provider.answers import Answers

CA = pki.new_authority("lab").cert
AT = "https://10.0.0.5:4650"


def ask(*answers: httpx.Response | Exception, within_s: float = 0.3) -> str:
    """What is said when a service answers so, one after another; the last goes on."""
    left = list(answers)

    def handle(_: httpx.Request) -> httpx.Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wait() -> str:
        async with Answers(CA, "token") as asking:
            asking._http = httpx.AsyncClient(transport=httpx.MockTransport(handle))
            return await asking.problem("dc-lab-control-1", AT, "wanted", within_s)

    return asyncio.run(wait())


def following(declared: str, problem: str = "") -> httpx.Response:
    return httpx.Response(200, json={"declared": declared, "problem": problem})


def test_a_service_that_comes_up_step_by_step_is_waited_for():
    refused = httpx.Response(503, json={"error": {"message": "no leader"}})
    steps = (httpx.ConnectError("refused"), refused, following(""), following("wanted"))
    assert ask(*steps, within_s=10) == ""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.ConnectError("[Errno 111] refused"), "does not answer ([Errno 111] refused)"),
        (httpx.Response(401, json={"error": {"message": "the token is not valid"}}),
         "does not answer its operator (the token is not valid)"),
        (httpx.Response(502, text="<html>"), "does not answer its operator (HTTP 502)"),
        (following("", "the pool service is not let in: no"),
         "cannot read what is declared (the pool service is not let in: no)"),
        (following("older"), "has not taken what is declared now"),
    ],
)  # fmt: skip
def test_the_stage_that_was_reached_is_named(answer, said):
    line = ask(answer)
    assert line == f"the pool service on dc-lab-control-1 ({AT}) {said} after 0 s"
