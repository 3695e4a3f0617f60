"""Every resource type that the provider serves."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from vdc.declaration.registry import NAMES
from vdc.provider.resource import Resource
from vdc.provider.resources import service
from vdc.provider.resources.app import App
from vdc.provider.resources.authority import Authority
from vdc.provider.resources.cluster import Cluster

# A kind's module in this layer offers GROUP, its node group, owners(stack) and
# reap(stack, keep).
_KINDS = [importlib.import_module(f"vdc.provider.drivers.{name}") for name in NAMES]


def owners(stack: str) -> frozenset[str]:
    """The groups (``stack/site/group``) that have nodes with the stack's mark."""
    return frozenset(owner for kind in _KINDS for owner in kind.owners(stack))


async def reap(stack: str, keep: frozenset[str]) -> list[str]:
    """Removes what bears the stack's mark and has no owner among ``keep``.

    For what a killed run left before it was recorded. Returns the names of removed nodes. An
    empty ``keep`` is the end of the stack: its pool service ends too.
    """
    removed = [name for kind in _KINDS for name in await kind.reap(stack, keep)]
    if not keep:
        await service.end(stack)
    return removed


RESOURCES: tuple[Callable[[], Resource[Any]], ...] = (
    lambda: Authority(reap),
    Cluster,
    service.Service,
    App,
    *(kind.GROUP for kind in _KINDS),
)
