"""Every resource type that the provider serves; a new kind of site adds its group here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vdc.provider.drivers import local
from vdc.provider.resource import Resource
from vdc.provider.resources import service
from vdc.provider.resources.authority import Authority
from vdc.provider.resources.cluster import Cluster


async def reap(stack: str, keep: frozenset[str]) -> list[str]:
    """Removes what bears the stack's mark on this machine and has no owner among ``keep``.

    For what a killed run left before it was recorded. Returns the names of removed nodes. An
    empty ``keep`` is the end of the stack: its pool service ends too.
    """
    removed = await local.reap(stack, keep)
    if not keep:
        await service.end(stack)
    return removed


RESOURCES: tuple[Callable[[], Resource[Any]], ...] = (
    lambda: Authority(reap),
    Cluster,
    local.LocalNodeGroup,
    service.Service,
)
