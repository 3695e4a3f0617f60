"""Plan to Pulumi resources: one component per kind of site, and the data centre of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vdc.sites.local import Local

__all__ = ["Local"]


def __getattr__(name: str) -> Any:
    """``vdc.sites.Local`` and its like, without importing every cloud's SDK."""
    if name == "Local":
        from vdc.sites.local import Local

        return Local
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
