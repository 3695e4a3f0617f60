"""A real scheduler for tests: one server and some agents on loopback, with TLS and ACL.

Everything lies in one folder and goes with it: jobs, processes (by the path in their command
line, never by name), mounts, cgroups. Several labs run side by side.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from vdc.bootstrap.agent import (
    Agent,
    ClientRole,
    ServerRole,
    TlsFiles,
    client_config,
    server_config,
)
from vdc.errors import SchedulerError, ToolchainError
from vdc.home import Home
from vdc.provider import pki, processes
from vdc.provider.slots import HOST, Held, choose
from vdc.scheduler.access import Access
from vdc.scheduler.client import Nomad
from vdc.scheduler.login import let_in
from vdc.scheduler.policies import POLICIES
from vdc.toolchain.found import engine_path

SITE = "here"
GROUP = "workers"
_PATIENCE_S = 90.0
_POLL_S = 0.05
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
_GO_DURATION = re.compile(r"([\d.]+)(h|ms|m|s|µs|ns)")

T = TypeVar("T")


def nomad_binary() -> Path:
    """``$VDC_NOMAD``, else the pinned engine, else the one on PATH."""
    if named := os.environ.get("VDC_NOMAD"):
        return Path(named)
    try:
        return engine_path("nomad", Home.of_user())
    except ToolchainError:
        found = shutil.which("nomad")
        if found is None:
            raise
        return Path(found)


def wait_for(what: str, holds: Callable[[], T | None], within_s: float = _PATIENCE_S) -> T:
    """The first true thing that ``holds`` gives; for foreign things that offer no event."""
    deadline = time.monotonic() + within_s
    while True:
        if found := holds():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:.0f} s: {what}")
        time.sleep(_POLL_S)


@dataclass
class NomadLab:
    """A running scheduler; see :func:`nomad_lab`.

    ``heartbeat`` is how long at least a node may be silent, for nodes that are no more than names.
    """

    folder: Path
    clients: int
    cpu_mhz: int = 2000
    memory_mib: int = 2048
    disk_mib: int = 4096
    meta: tuple[tuple[str, str], ...] = ()
    heartbeat: str = ""
    management: str = field(default_factory=lambda: str(uuid.uuid4()), repr=False)
    _held: dict[str, Held] = field(default_factory=dict, repr=False)
    authority: pki.Pair = field(default_factory=lambda: pki.new_authority("lab"), repr=False)

    # --- reached by -----------------------------------------------------------------

    @property
    def address(self) -> str:
        """The server's HTTP API."""
        return f"https://{HOST}:{self._held['server'].slot.ports.http}"

    @property
    def rpc(self) -> str:
        """Where agents dial the server."""
        return f"{HOST}:{self._held['server'].slot.ports.rpc}"

    @property
    def slots(self) -> frozenset[int]:
        """Port slots that are taken, for agents beside the lab's own."""
        return frozenset(held.slot.number for held in self._held.values())

    @property
    def names(self) -> list[str]:
        """The agents' names."""
        return [f"node-{index}" for index in range(self.clients)]

    def access(self, token: str | None = None) -> Access:
        """Access with a token, the management token unless another is given."""
        tls = self.folder / "tls"
        chosen = self.management if token is None else token
        return Access((self.address,), tls / "ca.pem", tls / "cert.pem", tls / "key.pem", chosen)

    def call(self, method: str, path: str, **options: object) -> object:
        """One call of the scheduler's API as management."""

        async def ask() -> object:
            async with Nomad(self.access()) as nomad:
                return await nomad.json(method, path, **options)

        return asyncio.run(ask())

    def token(self, *policies: str) -> str:
        """The secret of a new token with these policies."""
        body = {"Name": secrets.token_hex(4), "Type": "client", "Policies": list(policies)}
        answer = self.call("POST", "/v1/acl/token", body=body)
        assert isinstance(answer, dict)
        return str(answer["SecretID"])

    def let_in(self, service: TlsFiles) -> None:
        """Has the scheduler give tokens to a pool service with this certificate."""

        async def ask() -> None:
            async with Nomad(self.access()) as nomad:
                await let_in(nomad, service.cert.read_text())

        asyncio.run(ask())

    def revoke(self, secret: str) -> None:
        """Deletes a token."""
        tokens = self.call("GET", "/v1/acl/tokens")
        assert isinstance(tokens, list)
        for token in tokens:
            whole = self.call("GET", f"/v1/acl/token/{token['AccessorID']}")
            assert isinstance(whole, dict)
            if whole["SecretID"] == secret:
                self.call("DELETE", f"/v1/acl/token/{token['AccessorID']}")

    def end_identities(self) -> None:
        """Makes every identity worthless that was signed before, as time does; all else stays."""
        keys = "/v1/operator/keyring/keys"
        self.call("PUT", "/v1/operator/keyring/rotate", params={"full": "true"})

        def old() -> list[str] | None:
            found = self.call("GET", keys)
            assert isinstance(found, list)
            rekeyed = all(key["State"] in {"active", "inactive"} for key in found)
            return [key["KeyID"] for key in found if key["State"] == "inactive"] * rekeyed

        for key in wait_for("new keys everywhere", old):
            self.call("DELETE", f"/v1/operator/keyring/key/{key}", params={"force": "true"})

    def certificate(self, folder: Path) -> TlsFiles:
        """A fresh server certificate of the lab's authority for loopback."""
        pair = pki.issue(self.authority, "pool", [HOST, "localhost"], server=True)
        files = TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
        processes.write_private(files.ca, self.authority.cert)
        processes.write_private(files.cert, pair.cert)
        processes.write_private(files.key, pair.key)
        return files

    # --- agents ---------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Starts an agent (again) and waits until it listens."""
        home = self.folder / name
        config = home / "agent.json"
        command = [str(nomad_binary()), "agent", "-config", str(config)]
        process = processes.start(command, home, home / "agent.log")
        port = self._held[name].slot.ports.http
        asyncio.run(processes.wait_listening(process, HOST, port, home / "agent.log", _PATIENCE_S))

    def kill(self, name: str) -> None:
        """Ends an agent as a crash would; its tasks go on."""
        for process in processes.find(self.folder / name / "agent.json"):
            process.kill()
            process.wait(10)

    def ready(self) -> int:
        """How many nodes are ready."""
        nodes = self.call("GET", "/v1/nodes")
        assert isinstance(nodes, list)
        return sum(node["Status"] == "ready" for node in nodes)

    def heard(self, since: float) -> bool:
        """Whether every node has reported to a server since then, a time of ``time.time()``.

        A server that was started anew waits a minute for who has not reported to it yet.
        """

        async def ago(name: str) -> float:
            address = f"https://{HOST}:{self._held[name].slot.ports.http}"
            async with Nomad(replace(self.access(), addresses=(address,))) as nomad:
                about = await nomad.json("GET", "/v1/agent/self")
            assert isinstance(about, dict)
            parts = _GO_DURATION.findall(about["stats"]["client"]["last_heartbeat"])
            return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)

        return all(time.time() - asyncio.run(ago(name)) > since for name in self.names)

    # --- life -----------------------------------------------------------------------

    def up(self) -> None:
        """Starts everything and waits until all nodes are ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("server", *self.names):
            self._held[name] = choose(str(self.folder), self.slots)
        names = [HOST, "localhost", "server.global.nomad", "client.global.nomad"]
        pair = pki.issue(self.authority, "lab", names, server=True)
        tls = TlsFiles(*(self.folder / "tls" / f"{part}.pem" for part in ("ca", "cert", "key")))
        for path, text in ((tls.ca, self.authority.cert), (tls.cert, pair.cert),
                           (tls.key, pair.key)):  # fmt: skip
            processes.write_private(path, text)
        gossip = base64.b64encode(secrets.token_bytes(32)).decode()
        peers = (f"{HOST}:{self._held['server'].slot.ports.serf}",)
        self._write("server", self._server(tls, ServerRole(1, peers, gossip)))
        self.start("server")
        asyncio.run(self._bootstrap())
        meta = (("python", sys.executable), ("packages", str(self.folder / "packages")), *self.meta)
        for name in self.names:
            role = ClientRole(
                (self.rpc,), GROUP, "lo", self.cpu_mhz, self.memory_mib, self.disk_mib, meta
            )
            self._write(name, client_config(self._agent(name, tls), role))
            token = asyncio.run(self._introduction(name))
            intro = self.folder / name / "data" / "client" / "intro_token.jwt"
            processes.write_private(intro, token)
            self.start(name)
        wait_for("every node ready", lambda: self.ready() == self.clients)

    def down(self) -> None:
        """Stops jobs, then agents, and removes every trace."""
        with suppress(SchedulerError, AssertionError):
            self._stop_jobs()
        allocations = {path.name for path in self.folder.glob("*/data/alloc/*")}
        for name in ("server", *self.names):
            config = self.folder / name / "agent.json"
            asyncio.run(processes.stop(processes.find(config)))
        asyncio.run(processes.stop(processes.belonging_to(self.folder)))
        processes.remove_cgroups(allocations)
        processes.remove_tree(self.folder)
        for held in self._held.values():
            held.close()

    def _stop_jobs(self) -> None:
        jobs = self.call("GET", "/v1/jobs")
        assert isinstance(jobs, list)
        for job in jobs:
            self.call("DELETE", f"/v1/job/{job['ID']}", params={"purge": "true"})

        def ended() -> bool:
            allocations = self.call("GET", "/v1/allocations")
            assert isinstance(allocations, list)
            return all(a["ClientStatus"] not in {"running", "pending"} for a in allocations)

        wait_for("every task ended", ended, 20)

    def _agent(self, name: str, tls: TlsFiles) -> Agent:
        data = self.folder / name / "data"
        return Agent(name, SITE, HOST, data, self._held[name].slot.ports, tls)

    def _server(self, tls: TlsFiles, role: ServerRole) -> str:
        told = server_config(self._agent("server", tls), role)
        if not self.heartbeat:
            return told
        config = json.loads(told)
        config["server"]["min_heartbeat_ttl"] = self.heartbeat
        return json.dumps(config)

    def _write(self, name: str, config: str) -> None:
        processes.write_private(self.folder / name / "agent.json", config)

    async def _bootstrap(self) -> None:
        async with Nomad(self.access()) as nomad, asyncio.timeout(_PATIENCE_S):
            while True:
                try:
                    await nomad.leader()
                    await nomad.check_keyring()  # a leader makes its key a moment after it leads
                    break
                except SchedulerError:
                    await asyncio.sleep(_POLL_S)
            await nomad.bootstrap(self.management)
            for policy in POLICIES:
                await nomad.put_policy(policy.name, policy.description, policy.rules)

    async def _introduction(self, name: str) -> str:
        async with Nomad(self.access()) as nomad:
            return await nomad.introduction(name, 300)


@contextmanager
def nomad_lab(
    folder: Path, clients: int = 2, meta: tuple[tuple[str, str], ...] = ()
) -> Iterator[NomadLab]:
    """A scheduler with so many ready nodes of 2 cores and 2 GiB; nothing of it is left after."""
    lab = NomadLab(folder, clients, meta=meta)
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


def processes_in(folder: Path) -> str:
    """What still runs out of a folder, for a test's message."""
    found = processes.belonging_to(folder)
    return subprocess.list2cmdline([str(process) for process in found])
