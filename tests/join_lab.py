"""Machines that join a lab's pool: a folder as their root, the real client, a real agent."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from nomad_lab import GROUP, SITE, nomad_binary
from pool_lab import PoolLab
from vdc.bootstrap.agent import Agent, ClientRole, TlsFiles, client_config
from vdc.provider import processes
from vdc.provider.admission import admit, revoke
from vdc.provider.slots import HOST, Held, Slot, choose
from vdc.scheduler.client import Nomad
from vdc.scheduler.model import SchedulerNode

CLIENT = Path(__file__).parents[1] / "modules/vdc/bootstrap/files/vdc-node"

T = TypeVar("T")


def admitted(pool: PoolLab, name: str) -> str:
    """A fresh secret for a node."""
    return as_provisioner(pool, lambda nomad: admit(nomad, name, SITE, GROUP))


def revoked(pool: PoolLab, name: str) -> None:
    """Ends a node's admission."""
    as_provisioner(pool, lambda nomad: revoke(nomad, name))


def as_provisioner(pool: PoolLab, act: Callable[[Nomad], Coroutine[Any, Any, T]]) -> T:
    """Does something with the provisioner's rights and no more."""
    access = pool.lab.access(pool.lab.token("vdc-provisioner"))

    async def run() -> T:
        async with Nomad(access) as nomad:
            return await act(nomad)

    return asyncio.run(run())


def audit(pool: PoolLab, node: str) -> list[dict[str, Any]]:
    """What the audit says of one node, without the times."""
    lines = (pool.folder / "audit.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert all(entry.pop("at") for entry in entries)
    return [entry for entry in entries if entry["node"] == node]


@dataclass
class Machine:
    """A machine whose root folder is ``root``."""

    pool: PoolLab
    name: str
    root: Path
    shell: tuple[str, ...] = ("/bin/sh",)
    held: Held | None = field(default=None, init=False)

    @property
    def slot(self) -> Slot | None:
        """Ports for its agent, once they were chosen."""
        return self.held and self.held.slot

    # --- its files ------------------------------------------------------------------

    @property
    def tls(self) -> TlsFiles:
        """Where its key and its certificate are."""
        own = self.root / "var/lib/vdc/tls"
        return TlsFiles(self.root / "etc/vdc/ca.pem", own / "cert.pem", own / "key.pem")

    @property
    def secret_file(self) -> Path:
        """Holds the secret until it was used."""
        return self.root / "etc/vdc/join-secret"

    @property
    def introduction(self) -> Path:
        """With which its agent registers."""
        return self.root / "var/lib/vdc/agent/client/intro_token.jwt"

    @property
    def log(self) -> Path:
        """The agent's."""
        return self.root / "agent.log"

    def prepare(self, secret: str, endpoints: str = "") -> None:
        """What user data or a push brings."""
        etc = self.root / "etc/vdc"
        env = {"VDC_NAME": self.name, "VDC_ENDPOINTS": endpoints or self.pool.address}
        if self.slot:
            env["VDC_AGENT"] = f"{HOST}:{self.slot.ports.http}"
        text = "".join(f"{key}='{value}'\n" for key, value in env.items())
        processes.write_private(etc / "node.env", text)
        processes.write_private(etc / "ca.pem", self.pool.lab.authority.cert)
        if secret:
            processes.write_private(self.secret_file, secret + "\n")

    # --- the client -----------------------------------------------------------------

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Calls the client as the shell of this machine would."""
        command = [*self.shell, str(CLIENT), *words]
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "VDC_ROOT": str(self.root), **env}
        return subprocess.run(
            command, env=path, capture_output=True, text=True, timeout=120, check=False
        )

    def join(self) -> None:
        """Joins; nothing else is expected."""
        done = self.run("join")
        assert done.returncode == 0, done.stderr

    # --- the agent ------------------------------------------------------------------

    @property
    def config(self) -> Path:
        """The agent's, by which its process is known."""
        return self.root / "etc/vdc/agent.json"

    def configure(self, servers: tuple[str, ...] = ()) -> None:
        """Writes the agent's configuration."""
        assert self.slot
        agent = Agent(
            self.name, SITE, HOST, self.root / "var/lib/vdc/agent", self.slot.ports, self.tls
        )
        role = ClientRole(servers or (self.pool.lab.rpc,), GROUP, "lo", 1000, 512, 1024, ())
        processes.write_private(self.config, client_config(agent, role))

    def start(self, servers: tuple[str, ...] = ()) -> psutil.Process:
        """Starts its agent and waits until it listens."""
        assert self.slot
        self.configure(servers)
        command = [str(nomad_binary()), "agent", "-config", str(self.config)]
        process = processes.start(command, self.root, self.log)
        asyncio.run(processes.wait_listening(process, HOST, self.slot.ports.http, self.log, 60))
        return process

    def supervise(self) -> None:
        """Starts its agent under a supervisor, which starts it again whenever it ends."""
        self.configure()
        run = self.root / "run/vdc"
        script = f"""
            while :; do
                {nomad_binary()} agent -config {self.config} &
                echo $! >{run}/agent.pid
                wait $!
            done"""
        processes.start(["/bin/sh", "-c", script], self.root, self.log)

    def choose_ports(self) -> None:
        """Ports for its agent."""
        self.held = choose(str(self.root), self.pool.lab.slots)

    @property
    def nodes(self) -> list[SchedulerNode]:
        """What the scheduler knows under its name."""
        found = self.pool.lab.call("GET", "/v1/nodes?resources=true")
        assert isinstance(found, list)
        return [SchedulerNode.of(raw) for raw in found if raw["Name"] == self.name]

    @property
    def ready(self) -> bool:
        """Whether it takes work."""
        return any(node.status == "ready" for node in self.nodes)

    def stop(self) -> None:
        """Ends its agent, as the end of the machine would."""
        asyncio.run(processes.stop(processes.find(self.config)))

    def purge(self) -> None:
        """Lets the scheduler forget it."""
        for node in self.nodes:
            self.pool.lab.call("POST", f"/v1/node/{node.id}/purge")

    def remove(self) -> None:
        """Ends its agent and lets the scheduler forget it."""
        asyncio.run(processes.stop(processes.belonging_to(self.root)))
        self.purge()
        shutil.rmtree(self.root, ignore_errors=True)
        if self.held:
            self.held.close()
