"""``vdc:pool:Service``: the pool service beside the scheduler's servers on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import vdc
from vdc.client.profile import Profile
from vdc.errors import NodeError
from vdc.home import Home, StackHome
from vdc.provider import processes
from vdc.provider.connection import SchedulerInputs
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource
from vdc.provider.slots import HOST
from vdc.provider.wire import has_unknown

# Between the agents' slots and the ephemeral ports.
_FIRST_PORT, _PORTS = 32000, 700
_LISTEN_S = 30.0


class GroupFacts(Inputs):
    """What the service tells the scheduler of a group's nodes."""

    site: str
    name: str
    node_class: str
    labels: dict[str, str]
    price: str | None


class ServiceInputs(Inputs):
    """The service's certificate and tokens, and what it knows of the declaration.

    Attributes:
        addresses: Of the control plane; the service listens at the first, else on loopback.
        endpoint: Names or addresses by which others reach the service; else ``addresses``.
        scheduler: How the service reaches the scheduler.
        join_cert: The CA that the service certifies nodes with.
        join_key: Its key; a Pulumi secret.
        service_token: The service's own; a Pulumi secret.
        operator_token: Goes into the user's profile; a Pulumi secret.
        digest: What the provider's check adds: of all that the service is started from.
    """

    stack: str
    datacenter: str
    currency: str
    addresses: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    groups: tuple[GroupFacts, ...]
    cert: str
    key: str
    join_cert: str
    join_key: str
    scheduler: SchedulerInputs
    service_token: str
    operator_token: str
    digest: str = ""

    @property
    def host(self) -> str:
        """Where the service listens."""
        return self.addresses[0] if self.addresses else HOST

    def endpoints(self, port: int) -> tuple[str, ...]:
        """Where others reach it."""
        names = self.endpoint or self.addresses or (HOST,)
        return tuple(f"https://{_bracketed(name)}:{port}" for name in names)


@dataclass(frozen=True)
class _Files:
    """Everything the service reads; written before it starts."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "service.json"

    @property
    def log(self) -> Path:
        return self.folder / "service.log"


class Service(Resource[ServiceInputs]):
    """One detached process on this machine."""

    token = "vdc:pool:Service"  # noqa: S105 - a type token
    inputs = ServiceInputs
    refused: ClassVar[frozenset[str]] = frozenset({"stack", "datacenter"})

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Running, from these inputs and this program."""
        if has_unknown(inputs):
            return {}
        return {"digest": _digest(ServiceInputs.model_validate(inputs))}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Address and files stay for the service's life."""
        return {**(old or {}), **self.expect(inputs), "state": "running"}

    def drifted(self, inputs: ServiceInputs, old: Outputs) -> Mapping[str, Drift]:
        """A service that has ended, or that was started from something else."""
        wanted = {"state": "running", "digest": inputs.digest}
        return {name: "UPDATE" for name, value in wanted.items() if old.get(name) != value}

    async def create(self, call: Call, inputs: ServiceInputs) -> Made:
        """Writes its files and the user's profile, starts it, waits until it listens."""
        home = Home.of_user().stack(inputs.stack)
        files = _Files(home.pool)
        port = _port(files.config, inputs.host)
        running = processes.find(files.config)
        digest = _digest(inputs)
        if not running or _recorded_digest(files.config) != digest:
            await processes.stop(running)
            _write(files, inputs, port, digest)
            command = [sys.executable, "-m", "vdc.pool", "--config", str(files.config)]
            process = processes.start(command, files.folder, files.log, _fetching())
            await processes.wait_listening(process, inputs.host, port, files.log, _LISTEN_S)
        address = f"https://{_bracketed(inputs.host)}:{port}"
        Profile(address, files.folder / "ca.pem", inputs.operator_token).save(home.profile)
        return Made(_outputs(home, inputs, "running", digest))

    async def update(self, call: Call, inputs: ServiceInputs, old: Outputs) -> Made:
        """A restart in place; work on the pool does not notice."""
        return await self.create(call, inputs)

    async def read(self, call: Call, inputs: ServiceInputs, old: Outputs) -> Outputs | None:
        """Whether it runs, and from which inputs."""
        home = Home.of_user().stack(inputs.stack)
        files = _Files(home.pool)
        if not files.config.exists():
            return {**old, "state": "stopped"}
        state = "running" if processes.find(files.config) else "stopped"
        digest = _recorded_digest(files.config)
        return _outputs(home, inputs, state, digest)

    async def delete(self, call: Call, inputs: ServiceInputs, old: Outputs) -> None:
        """Ends the process and removes its files."""
        await end(inputs.stack)


async def end(stack: str) -> None:
    """Ends a stack's pool service and removes its files and the user's profile; idempotent."""
    home = Home.of_user().stack(stack)
    await processes.stop(processes.find(_Files(home.pool).config))
    processes.remove_tree(home.pool)
    home.profile.unlink(missing_ok=True)


def _write(files: _Files, inputs: ServiceInputs, port: int, digest: str) -> None:
    texts = {
        "ca.pem": inputs.scheduler.ca_cert,
        "cert.pem": inputs.cert,
        "key.pem": inputs.key,
        "join-cert.pem": inputs.join_cert,
        "join-key.pem": inputs.join_key,
        "scheduler-cert.pem": inputs.scheduler.cert,
        "scheduler-key.pem": inputs.scheduler.key,
        "token": inputs.service_token,
    }
    for name, text in texts.items():
        processes.write_private(files.folder / name, text)
    folder = files.folder
    config = {
        "name": inputs.datacenter,
        "host": inputs.host,
        "port": port,
        "endpoints": list(inputs.endpoints(port)),
        "cert_file": str(folder / "cert.pem"),
        "key_file": str(folder / "key.pem"),
        "scheduler": {
            "addresses": list(inputs.scheduler.addresses),
            "ca_file": str(folder / "ca.pem"),
            "cert_file": str(folder / "scheduler-cert.pem"),
            "key_file": str(folder / "scheduler-key.pem"),
        },
        "token_file": str(folder / "token"),
        "join": {
            "cert_file": str(folder / "join-cert.pem"),
            "key_file": str(folder / "join-key.pem"),
            "bundles_dir": str(Home.of_user().bundles),
        },
        "packages_dir": str(Home.of_user().packages),
        "currency": inputs.currency,
        "groups": [group.model_dump() for group in inputs.groups],
        "library": [],
        "digest": digest,
    }
    processes.write_private(files.config, json.dumps(config, indent=2) + "\n")


def _fetching() -> list[str]:
    """Variables that say how this machine reaches a package index: the service fetches with pip."""
    names = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
    return [name for name in os.environ if name.startswith("PIP_") or name.upper() in names]


def _port(config: Path, host: str) -> int:
    """The port it has, else a free one: the search starts at a place given by the stack."""
    try:
        return int(json.loads(config.read_text())["port"])
    except (OSError, ValueError, KeyError):
        pass
    start = zlib.crc32(str(config).encode()) % _PORTS
    for offset in range(_PORTS):
        port = _FIRST_PORT + (start + offset) % _PORTS
        if processes.port_free(host, port):
            return port
    raise NodeError(f"no free port between {_FIRST_PORT} and {_FIRST_PORT + _PORTS}")


def _digest(inputs: ServiceInputs) -> str:
    """Of all the service is started from, its own program included."""
    facts = (
        inputs.model_dump_json(exclude={"digest"}),
        vdc.__version__,
        vdc.__file__,
        sys.executable,
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _recorded_digest(config: Path) -> str:
    try:
        return str(json.loads(config.read_text())["digest"])
    except (OSError, ValueError, KeyError):
        return ""


def _outputs(home: StackHome, inputs: ServiceInputs, state: str, digest: str) -> dict[str, Any]:
    port = _port(_Files(home.pool).config, inputs.host)
    address = f"https://{_bracketed(inputs.host)}:{port}"
    return {
        "address": address,
        "endpoints": list(inputs.endpoints(port)),
        "console": f"{address}/",
        "ca_file": str(home.pool / "ca.pem"),
        "profile": str(home.profile),
        "state": state,
        "digest": digest,
    }


def _bracketed(name: str) -> str:
    """A host name or address as it stands in a URL."""
    return f"[{name}]" if ":" in name else name
