"""The pool API for programs: typed answers, a synchronous client, the user's profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vdc.client.profile import Profile

if TYPE_CHECKING:
    from vdc.client.api import PoolClient

__all__ = ["PoolClient", "Profile"]


def __getattr__(name: str) -> Any:
    """The client on first use: who reads the profile alone waits for no HTTP library."""
    if name == "PoolClient":
        from vdc.client.api import PoolClient

        return PoolClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
