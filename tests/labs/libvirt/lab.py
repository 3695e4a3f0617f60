"""The lab as a whole: a network, this side on it, DHCP and names, and two hosts."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labs.libvirt.host import BRIDGE, UPLINK, Host
from labs.netns import Namespace
from labs.processes import kill, output

SIDE = "10.88.0.254"
_PREFIX = "vdc-libvirt-"
_DHCP = "10.88.0.10,10.88.0.199,255.255.255.0,1h"
_LAN = "lan"


@dataclass(frozen=True)
class Lab:
    """A lab by its name; up or down, and nothing of it is kept anywhere else.

    Labs of different names share no address space, process or file: each has namespaces of its
    own, so that all of them use 10.88.0.0/24.

    Attributes:
        name: At most 16 of ``a-z0-9-``.
    """

    name: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,15}", self.name):
            raise ValueError(f"a lab's name has up to 16 of a-z, 0-9 and -, not {self.name!r}")

    @property
    def folder(self) -> Path:
        """Holds everything; short, as a socket's path must be."""
        return Path(tempfile.gettempdir(), _PREFIX + self.name)

    @property
    def network(self) -> Namespace:
        """This side: what ``run`` runs in. Has 10.88.0.254 and loopback, no way out."""
        return Namespace(f"vdc-{self.name}")

    @property
    def a(self) -> Host:
        """Host a, 10.88.0.1."""
        return Host(self.name, "a", self.folder / "a", "10.88.0.1")

    @property
    def b(self) -> Host:
        """Host b, 10.88.0.2."""
        return Host(self.name, "b", self.folder / "b", "10.88.0.2")

    @property
    def hosts(self) -> tuple[Host, Host]:
        """Both."""
        return (self.a, self.b)

    # --- use ------------------------------------------------------------------------

    def command(self, *words: str) -> tuple[str, ...]:
        """A command, to be run on this side of the lab network."""
        return self.network.command(*words)

    def run(self, *words: str) -> str:
        """Runs a command on this side of the lab network; its output.

        Raises:
            AssertionError: It failed; with what it said.
        """
        return output(self.command(*words))

    def leases(self) -> dict[str, str]:
        """Address by MAC of every machine that has asked for one."""
        lines = (self.folder / "leases").read_text().splitlines()
        return {mac: address for _, mac, address, *_ in (line.split() for line in lines)}

    # --- life -----------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        """Whether anything of it is there."""
        return self.folder.exists() or self.network.path.exists()

    def up(self) -> None:
        """Makes the lab, which must not exist; returns when both libvirtd answer."""
        if self.exists:
            raise AssertionError(f"lab {self.name} is there already, in {self.folder}")
        self.folder.mkdir(mode=0o711)
        self.network.make()
        self.network.bridge(_LAN, f"{SIDE}/24")
        for host in self.hosts:
            host.network.make()
            host.network.bridge(BRIDGE, f"{host.address}/24")
            host.network.ip("route", "add", "default", "via", SIDE)
            self.network.cable(f"to-{host.name}", _LAN, host.network, UPLINK, BRIDGE)
        self._start_dhcp()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Host.start, self.hosts))

    def down(self) -> None:
        """Removes the lab, or what is left of it."""
        for host in self.hosts:
            host.stop()
        kill(self._dhcp_log)
        for network in (*(host.network for host in self.hosts), self.network):
            network.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _dhcp_log(self) -> Path:
        return self.folder / "dnsmasq.log"

    def _start_dhcp(self) -> None:
        leases = self.folder / "leases"
        leases.touch()
        words = (
            *("dnsmasq", "--conf-file=/dev/null", "--pid-file=", "--user=root"),
            *("-8", str(self._dhcp_log)),
            *(f"--interface={_LAN}", "--except-interface=lo", "--bind-interfaces"),
            *("--dhcp-authoritative", "--no-ping", f"--dhcp-range={_DHCP}"),
            # A machine that is made again has another client id, and keeps its address.
            "--dhcp-ignore-clid",
            f"--dhcp-leasefile={leases}",
            # A question about any other name is answered at once, with no.
            *("--no-resolv", "--no-hosts", "--domain=lab", "--local=/lab/"),
            f"--host-record=side.lab,{SIDE}",
        )
        subprocess.run(self.command(*words), check=True)  # which goes into the background


def labs() -> list[Lab]:
    """Every lab that is there."""
    found = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    return sorted((Lab(path.name.removeprefix(_PREFIX)) for path in found), key=lambda it: it.name)


@contextmanager
def libvirt_lab(name: str = "") -> Iterator[Lab]:
    """A lab that is up; nothing of it is left after. Without a name it has one of its own."""
    lab = Lab(name or f"t{secrets.token_hex(3)}")
    try:
        lab.up()
        yield lab
    finally:
        lab.down()
