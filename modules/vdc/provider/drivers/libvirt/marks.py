"""The ownership mark in a domain's metadata, and the part of a domain that must stay as made."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, fields

NAMESPACE = "https://vdc.invalid/node/1"
KEY = "vdc"

ET.register_namespace(KEY, NAMESPACE)


@dataclass(frozen=True)
class Mark:
    """Whose a domain is and what it was made from.

    Attributes:
        realm: Stack and data centre.
        owner: Stack, site and group.
        node: The node's name.
        digest: Digest of the template.
        fixed: Likewise, but for what can change in a running machine.
        incarnation: Another at every making.
        host: The host chosen for it.
        stage: How far its making got: ``defined``, or ``booted`` once it has been started.
        essence: The definition's :func:`essence` as we made it.
        uses: Names of the volumes and networks that it shares with others, apart by spaces.
    """

    realm: str
    owner: str
    node: str
    digest: str
    fixed: str
    incarnation: str
    host: str
    stage: str = "defined"
    essence: str = ""
    uses: str = ""

    def element(self, namespace: str = NAMESPACE) -> ET.Element:
        """The mark as child of ``<metadata>``; libvirt adds the namespace to a change itself."""
        pairs = {field.name: str(getattr(self, field.name)) for field in fields(self)}
        return ET.Element(f"{{{namespace}}}node" if namespace else "node", pairs)


def mark(domain: ET.Element) -> Mark | None:
    """The mark in a domain's definition; None for a domain that is not ours."""
    found = domain.find(f"metadata/{{{NAMESPACE}}}node")
    if found is None:
        return None
    # Tolerant: another version of vdc may have written more, or less.
    return Mark(**{field.name: found.get(field.name, "") for field in fields(Mark)})


@dataclass(frozen=True)
class Essence:
    """What people change by hand; the rest of a definition is libvirt's own filling-in.

    Equal for a definition as written and as libvirt gives it back.

    Attributes:
        capacity: Processors and memory, present and most.
        devices: Type, disks and network interfaces.
    """

    capacity: str
    devices: str

    def __str__(self) -> str:
        """One text of both, as :func:`parse` takes it."""
        return f"{self.capacity}; {self.devices}"

    @classmethod
    def parse(cls, text: str) -> Essence:
        """The reverse of ``str``."""
        capacity, _, devices = text.partition("; ")
        return cls(capacity, devices)


def essence(domain: ET.Element) -> Essence:
    """The essence of a domain's definition."""
    count, now = vcpus(domain)
    capacity = (count, now, kib(domain.find("memory")), kib(domain.find("currentMemory")))
    devices = []
    for device in domain.iterfind("devices/*"):
        source = device.find("source")
        if device.tag in ("disk", "filesystem") and source is not None:
            target = device.find("target")
            where = "" if target is None else target.get("dev", target.get("dir", ""))
            devices.append(f"{where}={source.get('file', '')}")
        elif device.tag == "interface" and source is not None:
            address = device.find("mac")
            on = source.get("network") or source.get("bridge") or ""
            devices.append(f"{'' if address is None else address.get('address')}={on}")
    return Essence(
        " ".join(map(str, capacity)), " ".join([domain.get("type", ""), *sorted(devices)])
    )


def vcpus(domain: ET.Element) -> tuple[int, int]:
    """The most processors that a domain can have, and how many it has."""
    vcpu = domain.find("vcpu")
    if vcpu is None:
        return 0, 0
    count = int(vcpu.text or 0)
    return count, int(vcpu.get("current", count))


_KIB = {"b": 1 / 1024, "bytes": 1 / 1024, "KiB": 1, "MiB": 1024, "GiB": 1024**2}


def kib(element: ET.Element | None) -> int:
    """An amount of memory in KiB, libvirt's own unit where none is written."""
    if element is None or not element.text:
        return 0
    return int(int(element.text) * _KIB.get(element.get("unit", "KiB"), 1))
