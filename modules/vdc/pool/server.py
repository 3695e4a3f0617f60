"""The process: ``python -m vdc.pool --config DIR/service.json``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from vdc.errors import StackError, VdcError
from vdc.pool.app import create_app
from vdc.pool.config import PoolConfig
from vdc.pool.service import Service

# For answers under way, and for peers that do not take leave of TLS.
_GRACE_S = 2


class _Server(uvicorn.Server):
    """Ends the event streams first: they would keep a graceful end waiting for ever."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.hub.close()
        await super().shutdown(sockets)


async def serve(path: Path) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        StackError: The configuration, the certificate or the address cannot be used.
    """
    config = PoolConfig.load(path)
    try:
        service = Service(config)
        server = _Server(_listening(config, service), service)
        server.config.load()
        harden(server.config.ssl)
    except (OSError, ssl.SSLError) as error:
        raise StackError(f"the pool service's certificates cannot be used: {error}") from error
    await server.serve()


def harden(context: ssl.SSLContext | None) -> None:
    """Holds the listener to TLS 1.2 and newer.

    Raises:
        StackError: It would serve in clear.
    """
    if context is None:
        raise StackError("the pool service has no certificate; run `vdc up`")
    context.minimum_version = ssl.TLSVersion.TLSv1_2


def _listening(config: PoolConfig, service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(service),
        host=config.host,
        port=config.port,
        ssl_certfile=str(config.cert_file),
        ssl_keyfile=str(config.key_file),
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # refusals are counted by who calls, not by who they say they are
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=30,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the service in the foreground; returns the exit code."""
    parser = argparse.ArgumentParser(prog="vdc.pool", description="The pool service.")
    parser.add_argument("--config", type=Path, required=True, help="the service.json of a stack")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # Requests to the scheduler are no news, and their lines would hold paths and names.
    for chatty in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(options.config))
    except VdcError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0
