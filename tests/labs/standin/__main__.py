"""``python -m labs.standin CLOUD ENGINE``: one stand-in, as the engine starts a plugin."""

from __future__ import annotations

import asyncio
import importlib
import sys

import grpc

from labs.standin import CLOUDS
from vdc.provider.protocol import without_sdk


def main() -> None:
    """Serves until the engine ends it or is gone."""
    cloud, *rest = (argument for argument in sys.argv[1:] if not argument.startswith("-"))
    if cloud not in CLOUDS:
        sys.exit(f"{cloud} is none of {', '.join(CLOUDS)}")
    engine = rest[-1] if rest else None
    without_sdk()
    _introduce(f"This is a stand-in for pulumi-resource-{cloud}, not the real plugin.", engine)

    from labs.standin.servicer import Servicer
    from vdc.provider.serving import serve

    made = importlib.import_module(f"labs.standin.{cloud}").CLOUD()
    asyncio.run(serve(engine, Servicer(made)))


def _introduce(words: str, engine: str | None) -> None:
    """Says it on standard error, and through the engine, which shows no plugin's first words."""
    from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    if engine is not None:
        options = [("grpc.enable_http_proxy", 0)]
        with grpc.insecure_channel(engine, options=options) as channel:
            request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=words)
            engine_pb2_grpc.EngineStub(channel).Log(request)


if __name__ == "__main__":
    main()
