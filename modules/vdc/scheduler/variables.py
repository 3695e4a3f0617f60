"""Small state kept in the scheduler's own store, changed only by check-and-set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vdc.errors import SchedulerError
from vdc.scheduler.client import Nomad


class ConflictError(SchedulerError):
    """Somebody else changed the variable first; nothing was written."""


@dataclass(frozen=True)
class Variable:
    """One variable; ``index`` is what the next check-and-set must name."""

    path: str
    items: Mapping[str, str]
    index: int


class Variables:
    """Reads and writes under the connection's own token.

    Every method raises :class:`~vdc.errors.SchedulerError`.
    """

    def __init__(self, nomad: Nomad) -> None:
        self._nomad = nomad

    async def get(self, path: str) -> Variable | None:
        """The variable, None when there is none."""
        try:
            raw = await self._nomad.json("GET", f"/v1/var/{path}")
        except SchedulerError as error:
            if error.status == 404:
                return None
            raise
        return Variable(path, dict(raw.get("Items") or {}), int(raw["ModifyIndex"]))

    async def put(self, path: str, items: Mapping[str, str], index: int) -> Variable:
        """Writes if the variable is still at ``index``, 0 for one that must not exist yet.

        Raises:
            ConflictError: It is not.
        """
        body = {"Path": path, "Items": dict(items)}
        try:
            raw = await self._nomad.json(
                "PUT", f"/v1/var/{path}", params={"cas": str(index)}, body=body
            )
        except SchedulerError as error:
            if error.status == 409:
                raise ConflictError(f"{path} was changed by somebody else", 409) from error
            raise
        return Variable(path, dict(items), int(raw["ModifyIndex"]))

    async def write(self, path: str, items: Mapping[str, str]) -> None:
        """Writes whatever is there: for a variable that has one writer."""
        body = {"Path": path, "Items": dict(items)}
        await self._nomad.call("PUT", f"/v1/var/{path}", body=body)

    async def changed(self, prefix: str, index: int, wait_s: int) -> tuple[dict[str, int], int]:
        """Waits until something below ``prefix`` has changed since ``index``, or for ``wait_s``.

        Returns:
            The index of each variable below it, and the index to wait from next.
        """
        params = {"prefix": prefix, "index": str(index), "wait": f"{wait_s}s"}
        # The server adds a jitter of a sixteenth.
        answer = await self._nomad.call("GET", "/v1/vars", params=params, timeout=wait_s * 1.1 + 30)
        found = {str(raw["Path"]): int(raw["ModifyIndex"]) for raw in answer.json() or ()}
        return found, int(answer.headers["X-Nomad-Index"])

    async def delete(self, path: str) -> None:
        """Removes a variable; one that is not there is no error."""
        await self._nomad.call("DELETE", f"/v1/var/{path}")

    async def paths(self, prefix: str) -> list[str]:
        """Paths that begin with ``prefix``."""
        raws = await self._nomad.json("GET", "/v1/vars", params={"prefix": prefix})
        return [str(raw["Path"]) for raw in raws or []]
