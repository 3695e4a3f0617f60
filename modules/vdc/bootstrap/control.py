"""What a machine that carries the control plane gets beside what every node gets. Pure.

There stand a scheduler server and, beside it, the pool service. All that the service needs for
its whole life comes with the machine's own files; what changes it learns from the scheduler.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vdc.bootstrap import layout
from vdc.bootstrap.agent import ServerRole
from vdc.bootstrap.node import NodeFile, server_agent


@dataclass(frozen=True)
class ServiceKeys:
    """What the pool service proves itself with, PEM.

    Attributes:
        cert: Its own certificate; the scheduler lets in who holds its key.
        key: Of ``cert``.
        join_cert: The CA that it certifies nodes with.
        join_key: Of ``join_cert``.
        scheduler_cert: With which it may call the scheduler's API.
        scheduler_key: Of ``scheduler_cert``.
    """

    cert: str
    key: str = field(repr=False)
    join_cert: str
    join_key: str = field(repr=False)
    scheduler_cert: str
    scheduler_key: str = field(repr=False)

    @property
    def files(self) -> Mapping[str, str]:
        """Contents by file name."""
        return {
            "cert.pem": self.cert,
            "key.pem": self.key,
            "join-cert.pem": self.join_cert,
            "join-key.pem": self.join_key,
            "scheduler-cert.pem": self.scheduler_cert,
            "scheduler-key.pem": self.scheduler_key,
        }


@dataclass(frozen=True)
class Seat:
    """Where one instance of the pool service runs.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        schedulers: ``https://host:port`` of the scheduler's servers, in the order of trial.
        keys: Folder of :attr:`ServiceKeys.files`.
        ca: The data centre's CA.
        packages: Where software of packages is unpacked.
        bundles: Holds what nodes fetch.
        audit: Gets a line for each node that asked to join.
    """

    host: str
    port: int
    schedulers: tuple[str, ...]
    keys: Path
    ca: Path
    packages: Path
    bundles: Path
    audit: Path


@dataclass(frozen=True)
class PoolService:
    """The pool service, as every instance has it.

    Attributes:
        datacenter: The data centre's name.
        endpoints: Where others reach the pool API, ``https://host:port``.
        keys: What it proves itself with.
    """

    datacenter: str
    endpoints: tuple[str, ...]
    keys: ServiceKeys

    def config(self, seat: Seat) -> dict[str, Any]:
        """One instance's ``service.json``: what never changes while it runs."""
        return {
            "name": self.datacenter,
            "host": seat.host,
            "port": seat.port,
            "endpoints": list(self.endpoints),
            "cert_file": str(seat.keys / "cert.pem"),
            "key_file": str(seat.keys / "key.pem"),
            "scheduler": {
                "addresses": list(seat.schedulers),
                "ca_file": str(seat.ca),
                "cert_file": str(seat.keys / "scheduler-cert.pem"),
                "key_file": str(seat.keys / "scheduler-key.pem"),
            },
            "join": {
                "cert_file": str(seat.keys / "join-cert.pem"),
                "key_file": str(seat.keys / "join-key.pem"),
                "bundles_dir": str(seat.bundles),
                "audit_file": str(seat.audit),
            },
            "packages_dir": str(seat.packages),
        }


@dataclass(frozen=True)
class Carry:
    """What machines that carry the control plane have in common.

    Attributes:
        addresses: By node name, the address that agents and other servers dial.
        gossip_key: 32 bytes, base64.
        cert: The scheduler servers' certificate, PEM.
        key: Its key.
        pool: The service beside each server; None leaves it out.
    """

    addresses: Mapping[str, str]
    gossip_key: str = field(repr=False)
    cert: str
    key: str = field(repr=False)
    pool: PoolService | None = None

    def agent(self, name: str, site: str) -> str:
        """One server's agent configuration; it finds the others by their addresses."""
        peers = tuple(at(address, layout.PORTS.serf) for address in self.addresses.values())
        servers = ServerRole(len(peers), peers, self.gossip_key)
        return server_agent(name, site, self.addresses.get(name, ""), servers)

    def files(self, name: str) -> tuple[NodeFile, ...]:
        """One server's further files: its certificate, and all that its pool service reads."""
        pool = self._pool_files(name, self.pool) if self.pool else {}
        texts = {layout.TLS.cert: self.cert, layout.TLS.key: self.key, **pool}
        return tuple(NodeFile(path, text, 0o600) for path, text in texts.items())

    def _pool_files(self, name: str, pool: PoolService) -> dict[Path, str]:
        own = self.addresses.get(name, "")
        # Its own server first: that one is there whenever the service is.
        ordered = (own, *(address for address in self.addresses.values() if address != own))
        seat = Seat(
            own,
            layout.POOL_PORT,
            tuple(f"https://{at(address, layout.PORTS.http)}" for address in ordered),
            keys=layout.POOL,
            ca=layout.CA,
            packages=layout.POOL_DATA / "packages",
            bundles=layout.POOL_DATA / "bundles",
            audit=layout.POOL_LOG / "audit.jsonl",
        )
        told = pool.config(seat)
        texts = {"service.json": json.dumps(told) + "\n", **pool.keys.files}
        return {layout.POOL / file: text for file, text in texts.items()}


def pool_endpoints(names: Sequence[str], port: int = layout.POOL_PORT) -> tuple[str, ...]:
    """``https://host:port`` of the pool API by names or addresses."""
    return tuple(f"https://{at(name, port)}" for name in names)


def at(host: str, port: int) -> str:
    """``host:port`` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
