"""Machines of their own for tests: agents that share neither user nor software with the service.

Each is a work node on loopback, started as root in a mount namespace with an ``/etc`` of its
own: there are the work user and the data centre's CA, as on hardware.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nomad_lab import GROUP, SITE, NomadLab, nomad_binary, wait_for
from vdc.bootstrap.agent import Agent, ClientRole, TlsFiles, client_config
from vdc.bootstrap.layout import WORK_UID, WORK_USER
from vdc.provider import processes
from vdc.provider.slots import HOST, Held, choose

UID = WORK_UID
_PATIENCE_S = 90.0
# The namespace sees its own /etc; the agent then takes the place of the shell.
_IN_ITS_OWN = 'mount --bind "$0" /etc && exec "$@"'


@dataclass
class Machine:
    """One machine; see :func:`machines`."""

    lab: NomadLab
    name: str
    folder: Path
    held: Held = field(init=False)

    @property
    def packages(self) -> Path:
        """Its unpacked software."""
        return self.folder / "packages"

    @property
    def config(self) -> Path:
        """Its agent's configuration."""
        return self.folder / "agent.json"

    def up(self, taken: set[int]) -> None:
        """Starts it; ready a moment later."""
        self.held = choose(str(self.folder), self.lab.slots | taken)
        data = self.folder / "data"
        (data / "client").mkdir(parents=True)
        for folder in (self.folder, data):
            folder.chmod(0o711)
        self.packages.mkdir()
        shutil.chown(self.packages, UID, UID)
        self._furnish()
        tls = self.lab.folder / "tls"
        files = TlsFiles(tls / "ca.pem", tls / "cert.pem", tls / "key.pem")
        role = ClientRole(
            servers=(str(self.lab.call("GET", "/v1/status/leader")),),
            group=GROUP,
            interface="lo",
            cpu_mhz=4000,
            memory_mib=4096,
            disk_mib=8192,
            meta=(
                ("packages", str(self.packages)),
                ("python", "/usr/bin/python3"),
                ("work_user", WORK_USER),
            ),
            denied_uids=f"0,1000-{UID - 1},{UID + 1}-65533",
        )
        agent = Agent(self.name, SITE, HOST, data, self.held.slot.ports, files)
        processes.write_private(self.config, client_config(agent, role))
        body = {"NodeName": self.name, "TTL": "300s"}
        answer = self.lab.call("POST", "/v1/acl/identity/client-introduction-token", body=body)
        assert isinstance(answer, dict)
        processes.write_private(data / "client" / "intro_token.jwt", answer["JWT"])
        self.start()

    def start(self) -> None:
        """Starts its agent and waits until it listens."""
        agent = [str(nomad_binary()), "agent", "-config", str(self.config)]
        command = ["unshare", "--mount", "sh", "-c", _IN_ITS_OWN, str(self.folder / "etc"), *agent]
        log = self.folder / "agent.log"
        process = processes.start(command, self.folder, log)
        port = self.held.slot.ports.http
        asyncio.run(processes.wait_listening(process, HOST, port, log, _PATIENCE_S))

    def down_agent(self) -> None:
        """Ends its agent; tasks go on."""
        asyncio.run(processes.stop(processes.find(self.config)))

    def down(self) -> None:
        """Ends it, and whatever runs from it; nothing is left."""
        self.down_agent()
        asyncio.run(processes.stop(processes.belonging_to(self.folder)))
        processes.remove_cgroups(path.name for path in self.folder.glob("data/alloc/*"))
        processes.remove_tree(self.folder)
        self.held.close()

    def _furnish(self) -> None:
        etc = self.folder / "etc"
        subprocess.run(["cp", "-a", "/etc", str(etc)], check=True)
        with (etc / "passwd").open("a") as passwd:
            passwd.write(f"{WORK_USER}:x:{UID}:{UID}::/nonexistent:/usr/sbin/nologin\n")
        with (etc / "group").open("a") as group:
            group.write(f"{WORK_USER}:x:{UID}:\n")
        (etc / "vdc").mkdir(exist_ok=True)
        (etc / "vdc/ca.pem").write_text(self.lab.authority.cert)


@contextmanager
def machines(lab: NomadLab, *names: str) -> Iterator[list[Machine]]:
    """So many machines beside a lab's nodes, ready; nothing of them is left after."""
    # Not below pytest's folder, which only root may enter.
    base = Path(tempfile.mkdtemp(prefix="vdc-machines-", dir="/var/tmp"))
    base.chmod(0o711)
    there = [Machine(lab, name, base / name) for name in names]
    before = lab.ready()
    try:
        taken: set[int] = set()
        for machine in there:
            machine.folder.mkdir()
            machine.up(taken)
            taken.add(machine.held.slot.number)
        wait_for("every machine ready", lambda: lab.ready() == before + len(names))
        yield there
    finally:
        for machine in there:
            machine.down()
        shutil.rmtree(base)
