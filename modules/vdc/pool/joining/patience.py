"""How many refusals one source may cause, so that nobody fills the audit or tries secrets."""

from __future__ import annotations

import ipaddress

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

REFUSALS = 20
"""Within a minute, for one source."""

WAIT_S = 60
"""After this long a source that was refused too often is heard again, at the latest."""


class Patience:
    """Counts refusals by source, within a window that moves."""

    def __init__(self, refusals: int = REFUSALS) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(refusals)

    async def hears(self, source: str) -> bool:
        """Whether a source is still heard."""
        return await self._limiter.test(self._limit, network(source))

    async def count(self, source: str) -> None:
        """Counts a refusal."""
        await self._limiter.hit(self._limit, network(source))


def network(source: str) -> str:
    """What counts as one source: an IPv4 address, or the network that one IPv6 host is given."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return source
