"""What a stack has at its sites' back ends and no state records: found by its tags, removed.

Left by a run that was killed at the wrong moment, by a lost state, by an answer that got lost:
nobody else would ever remove it, and it is paid for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from vdc.errors import MissingExtraError, VdcError
from vdc.plan import Site
from vdc.provider.backends import asked, backend
from vdc.provider.drivers.backend import Backend, Thing

# Back ends have rate limits, and what is removed here is in nobody's way.
_CONCURRENCY = 8
_ASK_AGAIN_S = 3.0
# So long nothing may go before what is left is said to stay: a group with its machines takes long.
_PATIENCE_S = 900.0


@dataclass(frozen=True)
class Carried:
    """A thing with a stack's tags, and the site whose back end shows it."""

    at: Site
    thing: Thing

    def __str__(self) -> str:
        """``server dc-north-workers-0 (1f3a…)``."""
        thing = self.thing
        named = thing.name if thing.name == thing.id else f"{thing.name} ({thing.id})"
        return f"{thing.sort} {named}"

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for what two sites of one account both show."""
        return self.at.kind, self.thing.sort, self.thing.id


async def carried(sites: Sequence[Site], datacenter: str, stack: str) -> tuple[Carried, ...]:
    """Everything that carries the stack's tags at the back ends of these sites, each thing once.

    Raises:
        VdcError: A back end cannot be read; half a list is none.
    """

    async def of_site(site: Site) -> list[Carried]:
        with MissingExtraError.named(site.kind):
            found = await _backend(site).found(site, datacenter, stack)
        return [Carried(site, thing) for thing in found]

    shown = await asyncio.gather(*(of_site(site) for site in asked(sites)))
    every = [one for some in shown for one in some]
    # Through the site that it was made for, where two show it.
    every.sort(key=lambda one: one.at.name != one.thing.site)
    once = {one.key: one for one in reversed(every)}
    return tuple(sorted(once.values(), key=_order))


def mentioned(resources: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Every whole value and key by which the resources of a state name something. Pure."""
    parts = ("id", "inputs", "outputs")
    return frozenset(
        text for resource in resources for part in parts for text in _texts(resource.get(part))
    )


def unrecorded(things: Iterable[Carried], known: frozenset[str]) -> tuple[Carried, ...]:
    """Those that a state, which mentions what is known, does not record. Pure."""
    return tuple(one for one in things if not known & (one.thing.known_by | {one.thing.id}))


async def remove(
    things: Sequence[Carried],
    datacenter: str,
    stack: str,
    tell: Callable[[str], None] = lambda _: None,
) -> Mapping[Carried, str]:
    """Removes things, each after what depends on it, and looks whether they are gone.

    What could not be removed keeps nothing of another site, but what it may depend on.

    Args:
        things: What is to go.
        datacenter: The data centre's name, for the look at the end.
        stack: The stack, likewise.
        tell: Called with a line when something is gone.

    Returns:
        What is still there, or may be, and why.
    """
    by_site = groupby(sorted(things, key=_order), lambda one: one.at.name)
    done = await asyncio.gather(*(_at_one_site(list(some), tell) for _, some in by_site))
    problems = {one: why for some in done for one, why in some.items()}
    sites = list({one.at.name: one.at for one in things}.values())
    try:
        still = {one.key for one in await carried(sites, datacenter, stack)}
    except VdcError as error:
        unseen = f"whether it is gone cannot be seen: {error}"
        return {**dict.fromkeys(things, unseen), **problems}
    listed = [one for one in things if one.key in still]
    return {**dict.fromkeys(listed, "it is said to be gone and still listed"), **problems}


async def _at_one_site(
    things: Sequence[Carried], tell: Callable[[str], None]
) -> dict[Carried, str]:
    room = asyncio.Semaphore(_CONCURRENCY)
    problems: dict[Carried, str] = {}

    async def begin(one: Carried) -> None:
        async with room:
            try:
                await _backend(one.at).remove(one.at, one.thing)
            except VdcError as error:
                problems[one] = str(error)

    for _, rank in groupby(things, lambda one: one.thing.rank):
        some = list(rank)
        if problems:
            problems |= dict.fromkeys(some, "not tried: what may need it is still there")
            continue
        await asyncio.gather(*(begin(one) for one in some))
        problems |= await _until_gone([one for one in some if one not in problems], tell)
    return problems


async def _until_gone(
    things: Sequence[Carried], tell: Callable[[str], None]
) -> Mapping[Carried, str]:
    """Waits for what is ending at one site; what stays, and why."""
    since = time.monotonic()
    while things:
        site = things[0].at
        try:
            known = {
                (thing.sort, thing.id)
                for thing in await _backend(site).left(site, [one.thing for one in things])
            }
        except VdcError as error:
            return dict.fromkeys(things, f"whether it is gone cannot be seen: {error}")
        left = [one for one in things if (one.thing.sort, one.thing.id) in known]
        for one in things:
            if (one.thing.sort, one.thing.id) not in known:
                tell(f"gone from {site.name}: {one}")
        now = time.monotonic()
        if len(left) < len(things):
            since = now
        elif now - since > _PATIENCE_S:
            return dict.fromkeys(left, f"still there, and nothing has gone for {_PATIENCE_S:.0f} s")
        things = left
        if things:
            await asyncio.sleep(_ASK_AGAIN_S)
    return {}


def _backend(site: Site) -> Backend:
    found = backend(site.kind)
    if found is None:
        raise ValueError(f"site {site.name} has no back end to ask")
    return found


def _order(one: Carried) -> tuple[str, int, str, str, str]:
    return one.at.name, one.thing.rank, one.thing.sort, one.thing.name, one.thing.id


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            yield from (key for key in value if isinstance(key, str))
            for item in value.values():
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)
