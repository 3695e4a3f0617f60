"""libvirt's documents, built from data. Pure."""

from __future__ import annotations

import ipaddress
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from typing import Literal

from vdc.provider.drivers.libvirt.marks import Mark, essence
from vdc.provider.drivers.libvirt.model import Bridge, Nat

Format = Literal["raw", "qcow2"]

HEADROOM = 2
"""How far a running virtual machine can grow: the maximum is this often what it starts with."""

# dnsmasq asks the network whether somebody has an address before it offers it: 3 s a node.
_DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
ET.register_namespace("dnsmasq", _DNSMASQ)

# A lease lives as long as the machine does, not longer: it renews at half of this.
_LEASE_MIN = 10


@dataclass(frozen=True)
class Disk:
    """A volume as a block device."""

    path: str
    format: Format
    readonly: bool = False


@dataclass(frozen=True)
class Mount:
    """A file system image as a folder of a container."""

    path: str
    folder: str
    readonly: bool = True


@dataclass(frozen=True)
class Domain:
    """One machine, whatever virtualises it.

    Attributes:
        type: libvirt's word: ``kvm``, ``qemu``, ``lxc``.
        disks: In the order in which the machine sees them; the first is booted.
        mounts: A container's, its root first.
        network: A bridge, or the name of a network of ours.
        firmware: A file that the machine reads under fw_cfg's name for Ignition.
        console: File that receives what the machine says on its console.
    """

    name: str
    type: str
    arch: str
    cpus: int
    memory_mib: int
    mac: str
    network: Bridge | str
    disks: tuple[Disk, ...] = ()
    mounts: tuple[Mount, ...] = ()
    firmware: str = ""
    console: str = ""


def domain(wanted: Domain, mark: Mark) -> str:
    """The definition of a machine, with its mark; the mark's ``essence`` is filled in here."""
    root = _container(wanted) if wanted.mounts else _machine(wanted)
    metadata = ET.Element("metadata")
    metadata.append(replace(mark, essence=str(essence(root))).element())
    root.insert(1, metadata)
    return _text(root)


def _machine(wanted: Domain) -> ET.Element:
    root = _common(wanted, HEADROOM)
    os = _add(root, "os")
    _add(os, "type", "hvm", arch=wanted.arch, **_board(wanted.arch))
    if wanted.arch == "aarch64":
        os.set("firmware", "efi")
    _add(os, "boot", dev="hd")
    if wanted.firmware:
        entries = _add(root, "sysinfo", type="fwcfg")
        _add(entries, "entry", name="opt/com.coreos/config", file=wanted.firmware)
    features = _add(root, "features")
    _add(features, "acpi")
    if wanted.type == "kvm":
        _add(root, "cpu", mode="host-passthrough")
    _add(root, "clock", offset="utc")
    _ends(root)
    devices = _add(root, "devices")
    for letter, disk in zip("abcdefgh", wanted.disks, strict=False):
        device = _add(devices, "disk", type="file", device="disk")
        _add(device, "driver", name="qemu", type=disk.format)
        _add(device, "source", file=disk.path)
        _add(device, "target", dev=f"vd{letter}", bus="virtio")
        if disk.readonly:
            _add(device, "readonly")
    nic = _nic(devices, wanted)
    _add(nic, "model", type="virtio")
    serial = _add(devices, "serial", type="pty")
    if wanted.console:
        _add(serial, "log", file=wanted.console, append="on")
    _add(serial, "target", port="0")
    rng = _add(devices, "rng", model="virtio")
    _add(rng, "backend", "/dev/urandom", model="random")
    _add(devices, "memballoon", model="virtio")
    return root


def _container(wanted: Domain) -> ET.Element:
    root = _common(wanted, 1)
    os = _add(root, "os")
    _add(os, "type", "exe", arch=wanted.arch)
    _add(os, "init", "/sbin/init")
    features = _add(root, "features")
    capabilities = _add(features, "capabilities", policy="default")
    # The scheduler's agent makes device files for the work that it isolates.
    _add(capabilities, "mknod", state="on")
    _add(root, "clock", offset="utc")
    _ends(root)
    devices = _add(root, "devices")
    for mount in wanted.mounts:
        device = _add(devices, "filesystem", type="file", accessmode="passthrough")
        _add(device, "driver", type="loop", format="raw")
        _add(device, "source", file=mount.path)
        _add(device, "target", dir=mount.folder)
        if mount.readonly:
            _add(device, "readonly")
    _nic(devices, wanted)
    _add(devices, "console", type="pty")
    return root


def _common(wanted: Domain, headroom: int) -> ET.Element:
    root = ET.Element("domain", type=wanted.type)
    _add(root, "name", wanted.name)
    _add(root, "memory", str(wanted.memory_mib * headroom), unit="MiB")
    _add(root, "currentMemory", str(wanted.memory_mib), unit="MiB")
    current = {"current": str(wanted.cpus)} if headroom > 1 else {}
    _add(root, "vcpu", str(wanted.cpus * headroom), **current)
    return root


def _ends(root: ET.Element) -> None:
    # A machine that fails is started again by the group's next run, with its cause in sight.
    for event, answer in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        _add(root, f"on_{event}", answer)


def _nic(devices: ET.Element, wanted: Domain) -> ET.Element:
    bridged = isinstance(wanted.network, Bridge)
    nic = _add(devices, "interface", type="bridge" if bridged else "network")
    _add(nic, "mac", address=wanted.mac)
    if isinstance(wanted.network, Bridge):
        _add(nic, "source", bridge=wanted.network.name)
    else:
        _add(nic, "source", network=wanted.network)
    return nic


def _board(arch: str) -> dict[str, str]:
    boards = {"x86_64": "q35", "aarch64": "virt"}
    return {"machine": boards[arch]} if arch in boards else {}


def pool(name: str, path: str) -> str:
    """A directory that holds volumes."""
    root = ET.Element("pool", type="dir")
    _add(root, "name", name)
    target = _add(root, "target")
    _add(target, "path", path)
    return _text(root)


def volume(
    name: str,
    capacity: int,
    kind: Format,
    backing: tuple[str, Format] | None = None,
) -> str:
    """A volume of ``capacity`` bytes that takes space as it fills; only root and QEMU read it.

    Args:
        name: Its name in the pool.
        capacity: Size in bytes that the machine sees.
        kind: How it is stored.
        backing: Path and format of the volume that holds what this one has not written.
    """
    root = ET.Element("volume")
    _add(root, "name", name)
    _add(root, "capacity", str(capacity), unit="bytes")
    _add(root, "allocation", "0", unit="bytes")
    target = _add(root, "target")
    _add(target, "format", type=kind)
    permissions = _add(target, "permissions")
    _add(permissions, "mode", "0600")
    if backing:
        store = _add(root, "backingStore")
        _add(store, "path", backing[0])
        _add(store, "format", type=backing[1])
    return _text(root)


def network(name: str, content: Nat) -> str:
    """A network of ours, with DHCP for all but the host's own address."""
    block = ipaddress.IPv4Network(content.cidr)
    root = ET.Element("network")
    _add(root, "name", name)
    if not content.closed:
        _add(root, "forward", mode="nat")
    _add(root, "bridge", stp="off", delay="0")
    ip = _add(root, "ip", address=str(block[1]), netmask=str(block.netmask))
    dhcp = _add(ip, "dhcp")
    leases = _add(dhcp, "range", start=str(block[2]), end=str(block[-2]))
    _add(leases, "lease", expiry=str(_LEASE_MIN), unit="minutes")
    options = _add(root, f"{{{_DNSMASQ}}}options")
    _add(options, f"{{{_DNSMASQ}}}option", value="no-ping")
    return _text(root)


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    child.text = text
    return child


def _text(root: ET.Element) -> str:
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")
