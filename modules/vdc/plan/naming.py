"""Names within the limits of who gives them a place."""

from __future__ import annotations

import hashlib

_MARK = 8


def fitted(name: str, longest: int) -> str:
    """The name, cut where a cloud allows no more, and then still told from others.

    The same name always gives the same result, and a name that fits is left as it is. A cut one
    ends with a hyphen and eight hexadecimal digits of the whole name's SHA-256.

    Args:
        name: What it would be called without a limit.
        longest: How many characters there may be.

    Raises:
        ValueError: There is no room for more than the digits: no limit of any cloud is like that.
    """
    if len(name) <= longest:
        return name
    room = longest - _MARK - 1
    if room < 1:
        raise ValueError(f"no name of {longest} characters can be told from others")
    mark = hashlib.sha256(name.encode()).hexdigest()[:_MARK]
    return f"{name[:room].rstrip('-_. ')}-{mark}"
