"""The kind ``local``: machines are agents on the machine where Pulumi runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from vdc.declaration.fields import Name, declared
from vdc.declaration.finding import Finding, Findings
from vdc.declaration.site import CountedGroup, Kind, Site

MOST_AGENTS = 64
"""Each agent takes some 100 MB and a handful of ports; beyond this one machine gives way."""


class LocalSite(Site):
    """A site on this machine: every machine of its groups is one agent process."""

    on_this_machine: ClassVar[bool] = True

    kind: Literal["local"] = declared("On this machine, one agent process per machine.")
    groups: Mapping[Name, CountedGroup] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )


def agents_fit_one_machine(site: str, counts: Iterable[int]) -> Findings:
    """All groups of the site together stay within what one machine carries."""
    total = sum(counts)
    if total > MOST_AGENTS:
        yield Finding(
            ("sites", site, "groups"),
            f"ask for more than {MOST_AGENTS} agents on one machine (got {total})",
            f"lower the counts by {total - MOST_AGENTS}, or move groups to a site of another kind",
        )


KIND = Kind(
    name="local",
    site=LocalSite,
    rules={
        "agents_fit_one_machine": lambda name, site, _: agents_fit_one_machine(
            name, (group.machine_count for group in site.groups.values())
        ),
    },
)
