"""The pool as each of several control servers knows it."""

from __future__ import annotations

from e2e.checkout import Checkout
from vdc.bootstrap.layout import POOL_PORT
from vdc.client import PoolClient, Profile
from vdc.errors import PoolError


def ready_by(stack: Checkout, address: str) -> list[str]:
    """The nodes that are ready, by the service at one server's address; none if it cannot say."""
    known = stack.profile
    profile = Profile(f"https://{address}:{POOL_PORT}", known.ca_file, known.token)
    try:
        with PoolClient.of(profile) as pool:
            if pool.pool().stale:
                return []
            return [node.name for node in pool.nodes() if node.status == "ready"]
    except PoolError:
        return []
