"""Plan to Pulumi resources: one component per kind of site, and the data centre of them all."""

from __future__ import annotations

from vdc.declaration.kinds import NAMES
from vdc.sites.registry import component
from vdc.sites.site import Site


def __getattr__(name: str) -> type[Site]:
    """``vdc.sites.Local`` and its like, without importing every cloud's SDK."""
    if name.lower() in NAMES:
        found = component(name.lower())
        if found.__name__ == name:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
