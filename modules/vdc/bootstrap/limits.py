"""How much a cloud hands to a machine: said before a request that it would refuse."""

from __future__ import annotations

import base64

from vdc.errors import NodeError


def checked(user_data: str, limit: int, where: str, *, encoded: bool = False) -> str:
    """The user data as it is, if the cloud takes that much.

    Args:
        user_data: The text that a machine is to get.
        limit: The cloud's limit in bytes.
        where: What the text is for: ``group workers of site a``.
        encoded: Whether the limit counts the text after its encoding as base64.

    Raises:
        NodeError: It is longer.
    """
    raw = user_data.encode()
    size = len(base64.b64encode(raw)) if encoded else len(raw)
    if size > limit:
        counted = " as base64" if encoded else ""
        raise NodeError(
            f"{where}: the user data is {size:,} bytes long{counted}, and the cloud takes "
            f"{limit:,}; shorten what the site declares for its machines, such as proxy.no_proxy, "
            "ntp and keys"
        )
    return user_data
