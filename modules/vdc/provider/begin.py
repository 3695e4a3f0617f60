"""The provider's process: what must happen before anything else is imported."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator

from vdc.provider.protocol import without_sdk


def prepare() -> Iterator[None]:
    """Imports what a provider begins with; yields after each part.

    In a standby, which others come from as well: the SDK is imported as a whole.
    """
    _without_command_line()
    from vdc.provider import registry, serving  # noqa: F401

    yield
    yield from registry.prepare()


def main() -> None:
    """Serves until the engine ends it or is gone."""
    without_sdk()
    # Else gRPC writes to what a driver's child, such as ssh, was to say why it failed.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    _without_command_line()
    from vdc.provider.serving import serve

    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    asyncio.run(serve(arguments[-1] if arguments else None))


def _without_command_line() -> None:
    """Keeps httpx from importing what its own one needs, when it can: rich, pygments, click."""
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
