"""The pool API for programs: typed answers, a synchronous client, the user's profile."""

from __future__ import annotations

from vdc.client.api import PoolClient
from vdc.client.profile import Profile

__all__ = ["PoolClient", "Profile"]
