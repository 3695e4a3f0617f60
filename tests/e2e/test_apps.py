"""Apps: declared ones belong to the stack, others to whoever installed them."""

from __future__ import annotations

import json

import httpx
import pytest

from e2e.checkout import Checkout

pytestmark = [pytest.mark.real, pytest.mark.long]

WEB = {"web": {"package": "hello", "options": {"message": "declared", "count": 1}}}


def test_an_app_lives_as_long_as_its_declaration(fresh: Checkout) -> None:
    fresh.declare(workers=1, apps=WEB)
    fresh.vdc("up", "--yes")
    assert _message(fresh, "web") == "declared"

    again = fresh.vdc("up", "--yes")
    assert "10 unchanged" in again.stdout

    by_hand = fresh.vdc("install", "hello", "--name", "mine", "--set", "count=1")
    assert by_hand.seconds < 60
    fresh.declare(workers=1)
    fresh.vdc("up", "--yes")
    apps = json.loads(fresh.vdc("apps", "--output", "json").stdout)
    assert [app["name"] for app in apps] == ["mine"], "what nobody declared is left alone"
    assert _message(fresh, "mine") == "Hello from the pool"

    fresh.vdc("destroy", "--yes")
    assert fresh.left() == []


def _message(place: Checkout, app: str) -> str:
    with place.pool() as pool:
        (endpoint,) = pool.app(app).endpoints
    return str(httpx.get(endpoint.url, trust_env=False).json()["message"])
