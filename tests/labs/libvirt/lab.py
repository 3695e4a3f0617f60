"""The lab as a whole: a network, this side on it, DHCP and names, and two hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from labs.images import machine_image, sha256
from labs.lab import SIDE, NamedLab
from labs.libvirt.host import BRIDGE, UPLINK, Host

_DHCP = "10.88.0.10,10.88.0.199,255.255.255.0,1h"
_LAN = "lan"


class Lab(NamedLab):
    """A network with two hosts on it, and :data:`SIDE` as their way out; see :class:`NamedLab`."""

    KIND = "libvirt"

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

    def leases(self) -> dict[str, str]:
        """Address by MAC of every machine that has asked for one."""
        lines = (self.folder / "leases").read_text().splitlines()
        return {mac: address for _, mac, address, *_ in (line.split() for line in lines)}

    def held(self) -> list[str]:
        """Whatever libvirt has on either host, by any of its drivers, and every volume's file."""
        return sorted(f"host {host.name}: {it}" for host in self.hosts for it in host.held())

    # --- life -----------------------------------------------------------------------

    def usage(self) -> Iterator[str]:
        """The hosts, and images for machines on them."""
        for host in self.hosts:
            yield f"host {host.name}  {host.address}  identity {host.identity}"
            yield f"  {host.lxc}\n  {host.qemu}"
        image = machine_image()
        for engine, path in (("QEMU", image.disk), ("LXC", image.root)):
            yield f"image for {engine}  {path}\n  sha256 {sha256(path)}"

    def state(self) -> str:
        """Of each host."""
        return " ".join(f"{host.name}:{'up' if host.up else 'down'}" for host in self.hosts)

    def _begin(self) -> None:
        self.network.bridge(_LAN, f"{SIDE}/24")
        for host in self.hosts:
            host.network.make()
            host.network.bridge(BRIDGE, f"{host.address}/24")
            host.network.ip("route", "add", "default", "via", SIDE)
            self.network.cable(f"to-{host.name}", _LAN, host.network, UPLINK, BRIDGE)
        self._start_dhcp()
        with ThreadPoolExecutor() as pool:
            list(pool.map(Host.start, self.hosts))

    def _end(self) -> None:
        for host in self.hosts:
            host.stop()
            host.network.remove()

    def _start_dhcp(self) -> None:
        leases = self.folder / "leases"
        leases.touch()
        words = (
            *("dnsmasq", "--conf-file=/dev/null", "--pid-file=", "--user=root"),
            *("-8", str(self.folder / "dnsmasq.log")),
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


libvirt_lab = Lab.standing
