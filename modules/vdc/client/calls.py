"""One connection to the pool API: requests, typed answers, streams of output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from vdc.client.answers import raise_for, unreachable
from vdc.client.models import Request
from vdc.client.tls import context
from vdc.errors import PoolError

_BASE = "/api/v1"
_TIMEOUT_S = 60.0

T = TypeVar("T")


class Calls:
    """Every method raises :class:`~vdc.errors.PoolError`; its status is 0 without an answer.

    Attributes:
        http: The connection, for streams of events.
    """

    def __init__(self, address: str, ca_file: Path, token: str) -> None:
        self._address = address
        self.http = httpx.Client(
            base_url=address + _BASE,
            verify=context(ca_file),
            trust_env=False,  # a proxy or CA of the shell's is never meant for this address
            timeout=_TIMEOUT_S,
            headers={"Authorization": f"Bearer {token}"},
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Request | None = None,
        content: bytes | None = None,
        timeout: float = _TIMEOUT_S,
    ) -> httpx.Response:
        """One request that succeeds; its content is ``body`` as JSON, or bytes as they are."""
        said = None if body is None else body.model_dump(mode="json")
        try:
            response = self.http.request(
                method, path, params=params, json=said, content=content, timeout=timeout
            )
        except httpx.HTTPError as error:
            raise unreachable(self._address, error) from error
        raise_for(response)
        return response

    def ask(self, kind: type[T], method: str, path: str, **options: Any) -> T:
        """One request and its typed answer."""
        response = self.send(method, path, **options)
        try:
            return TypeAdapter(kind).validate_json(response.content)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise PoolError(
                f"{self._address} answers as another version of vdc would ({where}: "
                f"{problem['msg']}); use the vdc that runs the pool"
            ) from error

    def logs(
        self, path: str, task: str, stream: str, follow: bool, tail: int | None
    ) -> Iterator[bytes]:
        """A task's output, as it comes."""
        params = {"stream": stream, "follow": str(follow).lower()}
        params |= {"task": task} if task else {}
        params |= {"tail": str(tail)} if tail is not None else {}
        # Who follows waits for as long as the task is silent.
        timeout = httpx.Timeout(_TIMEOUT_S, read=None if follow else _TIMEOUT_S)
        try:
            with self.http.stream("GET", path, params=params, timeout=timeout) as response:
                raise_for(response)
                yield from response.iter_bytes()
        except httpx.HTTPError as error:
            raise unreachable(self._address, error) from error
