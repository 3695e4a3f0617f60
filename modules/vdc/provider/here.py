"""The pool service as one detached process on this machine."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

from vdc.bootstrap.control import PoolService, Seat
from vdc.errors import NodeError
from vdc.home import Home
from vdc.provider import processes

# Between the agents' slots and the ephemeral ports.
_FIRST_PORT, _PORTS = 32000, 700
_LISTEN_S = 30.0


class ServiceHere:
    """One stack's service process and its files.

    Attributes:
        ca: The data centre's CA, for who calls the service.

    Args:
        folder: Holds everything that the service reads, and its log.
        host: The address to listen on.
    """

    def __init__(self, folder: Path, host: str) -> None:
        self._folder = folder
        self._host = host
        self._config = folder / "service.json"
        self.ca = folder / "ca.pem"

    @property
    def port(self) -> int:
        """The port it has, else a free one: the search starts at a place given by the stack."""
        try:
            return int(json.loads(self._config.read_text())["port"])
        except (OSError, ValueError, KeyError):
            pass
        start = zlib.crc32(str(self._config).encode()) % _PORTS
        for offset in range(_PORTS):
            port = _FIRST_PORT + (start + offset) % _PORTS
            if processes.port_free(self._host, port):
                return port
        raise NodeError(f"no free port between {_FIRST_PORT} and {_FIRST_PORT + _PORTS}")

    @property
    def runs(self) -> bool:
        """Whether there is such a process."""
        return bool(processes.find(self._config))

    @property
    def digest(self) -> str:
        """Of what it was started from; empty when it never was."""
        try:
            return str(json.loads(self._config.read_text())["digest"])
        except (OSError, ValueError, KeyError):
            return ""

    async def start(
        self, service: PoolService, schedulers: Sequence[str], ca_cert: str, digest: str
    ) -> None:
        """Writes its files and starts it, unless it runs from just these; waits until it listens.

        Args:
            service: What it is to be.
            schedulers: ``https://host:port`` of each scheduler server.
            ca_cert: The data centre's CA, PEM.
            digest: Of all the service is started from.

        Raises:
            NodeError: It ended at once, or does not listen; the end of its log says why.
        """
        running = processes.find(self._config)
        if running and self.digest == digest:
            return
        await processes.stop(running)
        for file, text in {**service.keys.files, self.ca.name: ca_cert}.items():
            processes.write_private(self._folder / file, text)
        home = Home.of_user()
        seat = Seat(
            self._host,
            self.port,
            tuple(schedulers),
            keys=self._folder,
            ca=self.ca,
            packages=home.packages,
            bundles=home.bundles,
            audit=self._folder / "audit.jsonl",
        )
        told = json.dumps({**service.config(seat), "digest": digest}, indent=2)
        processes.write_private(self._config, told + "\n")
        log = self._folder / "service.log"
        command = [sys.executable, "-m", "vdc.pool", "--config", str(self._config)]
        process = processes.start(command, self._folder, log, _fetching())
        await processes.wait_listening(process, seat.host, seat.port, log, _LISTEN_S)

    async def end(self) -> None:
        """Ends the process and removes its files; idempotent."""
        await processes.stop(processes.find(self._config))
        processes.remove_tree(self._folder)


def _fetching() -> list[str]:
    """Variables that say how this machine reaches a package index: the service fetches with pip."""
    names = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
    return [name for name in os.environ if name.startswith("PIP_") or name.upper() in names]
