"""A running pool service for tests, over a :class:`nomad_lab.NomadLab`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from nomad_lab import GROUP, SITE, NomadLab
from vdc.client import PoolClient
from vdc.provider import pki, processes, settings
from vdc.provider.slots import HOST, choose

_PATIENCE_S = 90.0


@dataclass
class PoolLab:
    """A service process and tokens for it."""

    lab: NomadLab
    folder: Path
    library: tuple[Path, ...] = ()
    operator: str = field(default="", repr=False)
    viewer: str = field(default="", repr=False)
    port: int = 0

    @property
    def config(self) -> Path:
        """The service's configuration file."""
        return self.folder / "service.json"

    @property
    def log(self) -> Path:
        """What the service wrote."""
        return self.folder / "service.log"

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"https://{HOST}:{self.port}"

    def client(self, token: str | None = None) -> PoolClient:
        """A client with a token, the operator's unless another is given."""
        chosen = self.operator if token is None else token
        return PoolClient(self.address, self.folder / "tls" / "ca.pem", chosen)

    def configure(self) -> None:
        """Writes the configuration."""
        tls = self.folder / "tls"
        scheduler = self.lab.folder / "tls"
        content: dict[str, Any] = {
            "name": "lab",
            "host": HOST,
            "port": self.port,
            "cert_file": str(tls / "cert.pem"),
            "key_file": str(tls / "key.pem"),
            "scheduler": {
                "addresses": [self.lab.address],
                "ca_file": str(scheduler / "ca.pem"),
                "cert_file": str(scheduler / "cert.pem"),
                "key_file": str(scheduler / "key.pem"),
            },
            "join": {
                "cert_file": str(self.folder / "join-cert.pem"),
                "key_file": str(self.folder / "join-key.pem"),
                "bundles_dir": str(self.folder / "bundles"),
            },
            "packages_dir": str(self.lab.folder / "packages"),
            "library": [str(folder) for folder in self.library],
        }
        processes.write_private(self.config, json.dumps(content))

    def declare(self, price: str | None = "0.02", labels: dict[str, str] | None = None) -> None:
        """Writes what the stack declares, for the service to follow."""
        group = {
            "site": SITE,
            "name": GROUP,
            "node_class": GROUP,
            "labels": {"tier": "general"} if labels is None else labels,
            "price": price,
        }
        items = settings.encode({"groups": [group], "currency": "USD"})
        self.lab.call(
            "PUT", f"/v1/var/{settings.PATH}", body={"Path": settings.PATH, "Items": items}
        )

    def start(self) -> None:
        """Starts the service and waits until it listens."""
        command = [sys.executable, "-m", "vdc.pool", "--config", str(self.config)]
        process = processes.start(command, self.folder, self.log)
        asyncio.run(processes.wait_listening(process, HOST, self.port, self.log, _PATIENCE_S))

    @property
    def process(self) -> psutil.Process:
        """The service."""
        (found,) = processes.find(self.config)
        return found

    def kill(self) -> None:
        """Ends the service as a crash would."""
        process = self.process
        process.kill()
        process.wait(10)

    def stop(self) -> None:
        """Ends the service in order."""
        asyncio.run(processes.stop(processes.find(self.config)))


@contextmanager
def pool_lab(lab: NomadLab, folder: Path, library: Sequence[Path] = ()) -> Iterator[PoolLab]:
    """A service with an operator's and a viewer's token; ended when the block ends."""
    pool = PoolLab(lab, folder, tuple(library))
    pool.operator = lab.token("vdc-operator")
    pool.viewer = lab.token("vdc-viewer")
    held = choose(str(folder), ())
    pool.port = held.slot.ports.http
    lab.let_in(lab.certificate(folder / "tls"))
    issuer = pki.new_issuer(lab.authority, "lab")
    processes.write_private(folder / "join-cert.pem", issuer.cert)
    processes.write_private(folder / "join-key.pem", issuer.key)
    pool.configure()
    pool.declare()
    try:
        pool.start()
        yield pool
    finally:
        pool.stop()
        held.close()
