"""Waiting until a pool service answers, and answers from what is declared now."""

from __future__ import annotations

import asyncio
import ssl

import httpx

_POLL_S = 0.05
_ASK_S = 10.0


class Answers:
    """Asks pool services about themselves, as their operator.

    Args:
        ca_cert: Who signed for them, PEM.
        token: An operator's.
    """

    def __init__(self, ca_cert: str, token: str) -> None:
        context = ssl.create_default_context(cadata=ca_cert)
        self._http = httpx.AsyncClient(
            verify=context,
            trust_env=False,  # a proxy of the shell's is never meant for these addresses
            timeout=_ASK_S,
            headers={"Authorization": f"Bearer {token}"},
        )

    async def __aenter__(self) -> Answers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def alive(self, address: str) -> bool:
        """Whether a service answers at ``https://host:port``, whatever it works from."""
        try:
            return (await self._http.get(f"{address}/healthz")).is_success
        except httpx.HTTPError:
            return False

    async def problem(self, name: str, address: str, declared: str, within_s: float) -> str:
        """Waits until the service works from just this declaration.

        Args:
            name: Of the machine that it runs on, for people.
            address: ``https://host:port``.
            declared: The declaration's digest.
            within_s: How long that may take.

        Returns:
            One line that says how far the service has come, if it took longer; else nothing.
        """
        lacks = "does not answer"
        try:
            async with asyncio.timeout(within_s):
                while lacks := await self._lacks(address, declared):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return f"the pool service on {name} ({address}) {lacks} after {within_s:.0f} s"
        return ""

    async def _lacks(self, address: str, declared: str) -> str:
        """What is still missing, in words that follow the service's name; empty when nothing is."""
        try:
            answer = await self._http.get(f"{address}/api/v1/service")
        except httpx.HTTPError as error:
            return f"does not answer ({error or type(error).__name__})"
        if not answer.is_success:
            return f"does not answer its operator ({_said(answer)})"
        following = answer.json()
        if following["declared"] == declared:
            return ""
        if following["problem"]:
            return f"cannot read what is declared ({following['problem']})"
        return "has not taken what is declared now"


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"
