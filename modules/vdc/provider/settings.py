"""What the pool service is told while it runs: one variable in the scheduler's own store. Pure.

The provider writes it and every pool service follows it, so that a change of what is declared
restarts nothing and replaces no machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from vdc.errors import StackError

PATH = "vdc/service"
"""Where the variable lies."""

# The scheduler takes 64 KiB for names and values together.
_LARGEST = 65_000


def encode(settings: Mapping[str, Any]) -> dict[str, str]:
    """The variable's items.

    Raises:
        StackError: It is more than the scheduler's store takes.
    """
    content = base64.b64encode(zlib.compress(_canonical(settings).encode(), 9)).decode()
    if len(content) > _LARGEST:
        raise StackError(
            f"the groups' labels and prices are {len(content)} bytes when compressed, and "
            f"{_LARGEST} can be kept; give the groups fewer or shorter labels"
        )
    return {"content": content, "digest": digest(settings)}


def decode(items: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """What was encoded, and its digest.

    Raises:
        StackError: It is damaged.
    """
    try:
        settings = json.loads(zlib.decompress(base64.b64decode(items["content"])))
        return settings, items["digest"]
    except (KeyError, ValueError, zlib.error) as error:
        raise StackError(f"the variable {PATH} is damaged ({error}); run `vdc up`") from error


def digest(settings: Mapping[str, Any]) -> str:
    """By which equal settings are known."""
    return hashlib.sha256(_canonical(settings).encode()).hexdigest()[:16]


def _canonical(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, separators=(",", ":"))
