"""Everything in a cloud that bears a stack's marks, recorded or not; and its removal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from vdc.declaration.sites.openstack import OpenstackSite
from vdc.errors import NodeError
from vdc.plan import Site
from vdc.plan.tags import ours
from vdc.provider.drivers.backend import Thing
from vdc.provider.drivers.openstack.cloud import Cloud, cloud
from vdc.provider.drivers.openstack.sdk import sdk
from vdc.provider.drivers.openstack.sorts import SORTS, Sort


def of_site(site: Site) -> Cloud:
    """The cloud that a site is in."""
    declared = OpenstackSite.model_validate_json(site.declared)
    return cloud(declared.cloud, declared.region or "")


async def found(site: Site, datacenter: str, stack: str) -> Sequence[Thing]:
    """See :data:`~vdc.provider.drivers.backend.Found`."""
    where = of_site(site)

    async def of_sort(name: str, sort: Sort) -> list[Thing]:
        return await where.ask(f"list of {name}s", lambda c: _things(c, name, sort))

    known = await asyncio.gather(*(of_sort(name, sort) for name, sort in SORTS.items()))
    return [thing for things in known for thing in things if ours(thing.tags, datacenter, stack)]


async def remove(site: Site, thing: Thing) -> None:
    """See :data:`~vdc.provider.drivers.backend.Remove`."""
    where, sort = of_site(site), SORTS[thing.sort]
    now = await where.ask("look-up", lambda c: _now(c, sort, thing.id))
    if now is None:
        return
    if dict(sort.tags(now)) != dict(thing.tags):
        raise NodeError(f"{thing.sort} {thing.name} bears other marks now; it was left alone")
    await where.ask("removal", lambda c: sort.delete(c, thing.id))


async def left(site: Site, things: Sequence[Thing]) -> Sequence[Thing]:
    """See :data:`~vdc.provider.drivers.backend.Left`."""
    where = of_site(site)

    async def of_sort(name: str) -> list[tuple[str, str]]:
        def ids(connection: Any) -> list[tuple[str, str]]:
            return [(name, one.id) for one in SORTS[name].every(connection)]

        return await where.ask(f"list of {name}s", ids)

    known = await asyncio.gather(*(of_sort(name) for name in {thing.sort for thing in things}))
    there = {key for keys in known for key in keys}
    return [thing for thing in things if (thing.sort, thing.id) in there]


def _things(connection: Any, name: str, sort: Sort) -> list[Thing]:
    return [
        Thing(name, one.id, one.name or one.id, marks, sort.known_by(one), sort.rank)
        for one in sort.list(connection)
        if (marks := sort.tags(one))
    ]


def _now(connection: Any, sort: Sort, known: str) -> Any:
    try:
        return sort.get(connection, known)
    except sdk().exceptions.NotFoundException:
        return None
