"""The back ends of a plan's sites, asked all at once; no site waits for another's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib import import_module

from vdc.declaration.finding import Finding
from vdc.errors import MissingExtraError, VdcError
from vdc.plan import Plan, Site
from vdc.provider.drivers.backend import Backend, Recorded


def backend(kind: str) -> Backend | None:
    """What a kind offers; None where it has nothing to say of a whole back end.

    Raises:
        MissingExtraError: A package that the kind needs is not installed.
    """
    with MissingExtraError.named(kind):
        found: Backend | None = getattr(
            import_module(f"vdc.provider.drivers.{kind}"), "BACKEND", None
        )
    return found


def asked(sites: Sequence[Site]) -> tuple[Site, ...]:
    """The sites that have a back end to ask."""
    return tuple(site for site in sites if backend(site.kind))


async def preflight(plan: Plan, stack: str, recorded: Recorded) -> tuple[Finding, ...]:
    """Everything that would keep the plan from being made real at its sites' back ends.

    Raises nothing: a back end that cannot be asked is a finding about its site.
    """
    found = await asyncio.gather(*(_of_site(plan, site, stack, recorded) for site in plan.sites))
    return tuple(finding for some in found for finding in some)


async def _of_site(plan: Plan, site: Site, stack: str, recorded: Recorded) -> Sequence[Finding]:
    try:
        known = backend(site.kind)
        if known is None:
            return ()
        with MissingExtraError.named(site.kind):
            return await known.preflight(plan, site, stack, recorded)
    except MissingExtraError as error:
        return [Finding(("sites", site.name, "kind"), error.lack, error.remedy)]
    except VdcError as error:
        again = "mend that, then run vdc preflight again"
        return [Finding(("sites", site.name), f"cannot be asked ({error})", again)]
