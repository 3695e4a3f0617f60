"""What must hold for sites that are to go with their machines."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vdc.declaration.finding import Finding, Findings


def dropped_sites_are_gone(dropping: Sequence[str], sites: Collection[str]) -> Findings:
    """A site is declared or dropped; one that is to lose its machines alone needs no word."""
    for index, site in enumerate(dropping):
        if site in sites:
            yield Finding(
                ("dropping", index),
                f"names a site that is still declared (got {site})",
                f"remove {site} from sites, or from here; to take its machines alone, "
                "remove its groups",
                rests_on=(("sites",),),
            )
