"""Machines made with plain ``virsh``: what the lab's own tests and benches boot."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import httpx

from labs.images import Image
from labs.libvirt.host import BRIDGE, Host
from labs.libvirt.lab import Lab
from nomad_lab import wait_for

_EMULATOR = "/usr/lib/libvirt/libvirt_lxc"
# Serves what cloud-init writes when it is done, which is after this.
_USER_DATA = """\
#cloud-config
runcmd:
  - systemd-run --unit=result python3 -m http.server --directory /var/lib/cloud/data 8000
"""


@dataclass(frozen=True)
class Domain:
    """A machine on a host of the lab, which says over HTTP when cloud-init is done."""

    name: str
    host: Host
    memory_mib: int = 1024

    @property
    def mac(self) -> str:
        """The same for the same name, so that a machine that is made again keeps its lease."""
        tail = zlib.crc32(self.name.encode()).to_bytes(4, "big").hex(":")
        return f"52:54:{tail}"

    # --- made -----------------------------------------------------------------------

    def start_container(self, image: Image) -> None:
        """Defines and starts it as an LXC container."""
        disk = self._file("raw")
        subprocess.run(["qemu-img", "convert", "-O", "raw", image.root, disk], check=True)
        with _seed_folder(self) as seed:
            self._file("seed").touch()
            os.truncate(self._file("seed"), 2**20)
            words = ("mke2fs", "-q", "-t", "ext2", "-d", str(seed), str(self._file("seed")))
            subprocess.run(words, check=True)
        domain = self._domain("lxc", "exe", "x86_64")
        SubElement(domain.findall("os")[0], "init").text = "/sbin/init"
        features = SubElement(domain, "features")
        capabilities = SubElement(features, "capabilities", policy="default")
        SubElement(capabilities, "mknod", state="on")
        devices = SubElement(domain, "devices")
        SubElement(devices, "emulator").text = _EMULATOR
        for part, target in (("raw", "/"), ("seed", "/var/lib/cloud/seed/nocloud")):
            system = SubElement(devices, "filesystem", type="file")
            SubElement(system, "driver", type="loop", format="raw")
            SubElement(system, "source", file=self._place(part))
            SubElement(system, "target", dir=target)
        self._interface(devices)
        SubElement(devices, "console", type="pty")
        self._define(self.host.lxc, domain)

    def start_machine(self, image: Image) -> None:
        """Defines and starts it as a QEMU machine without KVM, from the loader on its disk."""
        shutil.copyfile(image.disk, self._file("qcow2"))
        with _seed_folder(self) as seed:
            words = ("genisoimage", "-quiet", "-volid", "cidata", "-joliet", "-rock")
            subprocess.run([*words, "-o", self._file("iso"), seed], check=True)
        domain = self._domain("qemu", "hvm", "x86_64")
        devices = SubElement(domain, "devices")
        for part, kind, target in (("qcow2", "qcow2", "vda"), ("iso", "raw", "vdb")):
            disk = SubElement(devices, "disk", type="file", device="disk")
            SubElement(disk, "driver", name="qemu", type=kind)
            SubElement(disk, "source", file=self._place(part))
            SubElement(disk, "target", dev=target, bus="virtio")
            if part == "iso":
                SubElement(disk, "readonly")
        SubElement(self._interface(devices), "model", type="virtio")
        serial = SubElement(devices, "serial", type="pty")
        SubElement(serial, "log", file=f"/var/log/libvirt/qemu/{self.name}.console")
        random = SubElement(devices, "rng", model="virtio")
        SubElement(random, "backend", model="random").text = "/dev/urandom"
        self._define(self.host.qemu, domain)

    def remove(self) -> None:
        """Ends it and removes all of it."""
        for uri in (self.host.lxc, self.host.qemu):
            if self.name in self.host.virsh(uri, "list", "--all", "--name").split():
                if self.name in self.host.virsh(uri, "list", "--name").split():
                    self.host.virsh(uri, "destroy", self.name)
                self.host.virsh(uri, "undefine", self.name)
        for part in ("raw", "seed", "qcow2", "iso"):
            self._file(part).unlink(missing_ok=True)

    # --- used -----------------------------------------------------------------------

    def address(self, lab: Lab, within_s: float = 120) -> str:
        """Its address, once cloud-init is done.

        Raises:
            AssertionError: That is not so in time, or cloud-init reports an error.
        """
        address = wait_for(f"lease of {self.name}", lambda: lab.leases().get(self.mac), within_s)
        with lab.network.entered(), httpx.Client(trust_env=False, timeout=5) as client:
            ask = partial(_result, client, f"http://{address}:8000/result.json")
            answer = wait_for(f"cloud-init of {self.name}", ask, within_s)
        assert answer["errors"] == []
        return address

    def run(self, *words: str) -> str:
        """Runs a command in a container; its output."""
        keeper = self.host.run("pgrep", "-f", f"libvirt_lxc --name {self.name} ").strip()
        init = self.host.run("pgrep", "-P", keeper).strip()
        return self.host.run("nsenter", "-t", init, "--all", "--", *words)

    # --- inner ----------------------------------------------------------------------

    def _place(self, part: str) -> str:
        return str(self.host.images / f"{self.name}.{part}")

    def _file(self, part: str) -> Path:
        return self.host.seen(Path(self._place(part)))

    def _domain(self, kind: str, system: str, arch: str) -> Element:
        domain = Element("domain", type=kind)
        SubElement(domain, "name").text = self.name
        SubElement(domain, "memory", unit="MiB").text = str(self.memory_mib)
        SubElement(domain, "vcpu").text = "1"
        SubElement(SubElement(domain, "os"), "type", arch=arch).text = system
        return domain

    def _interface(self, devices: Element) -> Element:
        interface = SubElement(devices, "interface", type="bridge")
        SubElement(interface, "mac", address=self.mac)
        SubElement(interface, "source", bridge=BRIDGE)
        return interface

    def _define(self, uri: str, domain: Element) -> None:
        with tempfile.NamedTemporaryFile("wb", suffix=".xml") as file:
            file.write(tostring(domain))
            file.flush()
            self.host.virsh(uri, "define", file.name)
        while True:
            try:
                self.host.virsh(uri, "start", self.name)
            except AssertionError as error:
                # libvirt looks for a free loop device and takes it in two steps, and gives up when
                # another lab on this machine has taken it in between.
                if "to loop device: Device or resource busy" not in str(error):
                    raise
            else:
                return


@contextmanager
def _seed_folder(domain: Domain) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        meta = f"instance-id: {domain.name}\nlocal-hostname: {domain.name}\n"
        Path(folder, "meta-data").write_text(meta)
        Path(folder, "user-data").write_text(_USER_DATA)
        yield Path(folder)


def _result(client: httpx.Client, url: str) -> dict[str, Any] | None:
    """Refused until the server runs, and not found until cloud-init is done."""
    try:
        answer = client.get(url)
    except httpx.TransportError:
        return None
    return answer.json()["v1"] if answer.is_success else None
