"""Every resource type that the provider serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

from vdc.declaration.kinds import NAMES
from vdc.provider.resource import Resource


def _kinds() -> Iterator[Any]:
    # Each offers owners(stack), reap(stack, keep, forget_silent), and GROUP, its node group, or
    # fleet(inputs).
    return (_kind(name) for name in NAMES)


def _kind(name: str) -> Any:
    return import_module(f"vdc.provider.drivers.{name}")


def owners(stack: str) -> frozenset[str]:
    """The groups (``stack/site/group``) that have nodes with the stack's mark."""
    return frozenset(owner for kind in _kinds() for owner in kind.owners(stack))


async def reap(stack: str, keep: frozenset[str], forget_silent: bool = False) -> list[str]:
    """Removes what bears the stack's mark and has no owner among ``keep``.

    For what a killed run left before it was recorded. Returns the names of removed nodes. An
    empty ``keep`` is the end of the stack: its pool service ends too. A machine or host that does
    not answer is an error, or, with ``forget_silent``, forgotten.
    """
    removed: list[str] = []
    for kind in _kinds():
        removed += await kind.reap(stack, keep, forget_silent)
    if not keep:
        await _resources("service").end(stack)
    return removed


def _fleet(inputs: Any) -> Any:
    return _kind(inputs.kind).fleet(inputs)


def _resources(name: str) -> Any:
    return import_module(f"vdc.provider.resources.{name}")


Maker = Callable[[], Resource[Any]]

_RESOURCES: Mapping[str, Maker] = {
    "vdc:security:Authority": lambda: _resources("authority").Authority(reap),
    "vdc:scheduler:Cluster": lambda: _resources("cluster").Cluster(),
    "vdc:pool:Service": lambda: _resources("service").Service(),
    "vdc:pool:Opening": lambda: _resources("opening").Opening(),
    "vdc:pool:App": lambda: _resources("app").App(),
    "vdc:cloud:Enrolment": lambda: _resources("enrolment").Enrolment(),
    "vdc:cloud:Server": lambda: _resources("server").Server(),
    "vdc:cloud:Members": lambda: _resources("fleet_members").Members(_fleet),
}
_GROUPS = {f"vdc:{name}:NodeGroup": name for name in NAMES}


def maker(token: str) -> Maker | None:
    """What makes the resource of a type; None when the provider has no such type.

    A kind whose groups are its cloud's has no node group. A module is imported when a resource of
    its type is first asked for: a run's first one need not wait for what the last one will use.
    """
    if token not in _GROUPS:
        return _RESOURCES.get(token)
    group: Maker | None = getattr(_kind(_GROUPS[token]), "GROUP", None)
    return group


def prepare() -> Iterator[None]:
    """Imports what every data centre begins with, in the order in which it is asked for.

    Yields after each, for whoever has something else to do between.
    """
    for name in ("authority", "node_group", "cluster", "service"):
        _resources(name)
        yield
