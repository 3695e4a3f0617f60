"""What there is on one host: nodes of a group, room for more, things that nobody uses. Blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vdc.provider.drivers import State
from vdc.provider.drivers.libvirt import marks
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.marks import Mark
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.sdk import libvirt, parsed, present
from vdc.provider.drivers.libvirt.store import Store

CHANGED = "changed by hand"
RESIZED = "resized by hand"
"""Both stand in the place of a digest, and differ from every template's."""

_KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Found:
    """A node of ours, as the host shows it.

    Attributes:
        mark: Its mark; stack, group and template.
        digest: The mark's, or :data:`RESIZED` or :data:`CHANGED`.
        cpus: How many processors it has.
        most_cpus: How many processors it can be given while it runs.
        most_mib: Memory likewise.
    """

    name: str
    host: str
    mark: Mark
    state: State
    digest: str
    address: str
    cpus: int
    most_cpus: int
    most_mib: int


@dataclass(frozen=True)
class Survey:
    """A host at one moment.

    Attributes:
        found: Domains with the realm's mark.
        leftovers: Nodes of the realm of which there are only volumes.
        cpus: Its processors.
        memory_mib: Its memory.
        used_cpus: Promised to domains, whoever owns them.
        used_mib: Likewise.
    """

    host: str
    found: tuple[Found, ...]
    leftovers: tuple[str, ...]
    cpus: int
    memory_mib: int
    used_cpus: int
    used_mib: int


def survey(host: Host, names: Names, prefix: str) -> Survey:
    """Reads one host: one list of domains, one of volumes.

    Args:
        host: The host.
        names: Names in the realm.
        prefix: What the names of domains in question begin with; others are only counted.
    """
    with host.stage("list of domains"):
        found: list[Found] = []
        used_cpus = used_kib = 0
        for domain in host.connection.listAllDomains(0):
            with _vanishing():
                state, _, now_kib, cpus, _ = domain.info()
                used_cpus += cpus
                used_kib += now_kib
                if domain.name().startswith(prefix):
                    found += _found(host, domain, state, names.realm)
        _, memory_mib, cpus, *_ = host.connection.getInfo()
    with host.stage("list of volumes"):
        volumes = Store(host, names, _nothing_is_sent).ours()
    labelled = {node for volume in volumes if (node := names.labelled(volume))}
    return Survey(
        host.spec.name,
        tuple(found),
        tuple(sorted(labelled - {node.name for node in found})),
        cpus,
        memory_mib,
        used_cpus,
        used_kib // _KIB_PER_MIB,
    )


def look(host: Host, name: str, realm: str) -> Found | None:
    """One node as it is now; None when there is no such domain of the realm."""
    with host.stage("look-up"):
        domain = present(host.connection.lookupByName, name)
        found = domain and present(lambda: [*_found(host, domain, domain.info()[0], realm)])
    return found[0] if found else None


def _found(host: Host, domain: Any, state: int, realm: str) -> Iterator[Found]:
    definition = parsed(domain.XMLDesc(libvirt().VIR_DOMAIN_XML_INACTIVE))
    mark = marks.mark(definition)
    if mark is None or mark.realm != realm:
        return
    running = state in (libvirt().VIR_DOMAIN_RUNNING, libvirt().VIR_DOMAIN_BLOCKED)
    most, now = marks.vcpus(definition)
    yield Found(
        name=domain.name(),
        host=host.spec.name,
        mark=mark,
        state="running" if running else "stopped" if mark.stage == "booted" else "partial",
        digest=_digest(mark, marks.essence(definition)),
        address=address(domain) if running else "",
        cpus=now,
        most_cpus=most,
        most_mib=marks.kib(definition.find("memory")) // _KIB_PER_MIB,
    )


def _digest(mark: Mark, now: marks.Essence) -> str:
    made = marks.Essence.parse(mark.essence)
    if now == made:
        return mark.digest
    return RESIZED if now.devices == made.devices else CHANGED


def address(domain: Any) -> str:
    """The first IPv4 address that the host knows of a running domain; empty when it knows none.

    It is for people: a host that cannot tell, or trips over its own tables, holds up nothing.
    """
    binding = libvirt()
    for source in (
        binding.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
        binding.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
    ):
        with contextlib.suppress(binding.libvirtError):
            for interface in domain.interfaceAddresses(source, 0).values():
                for entry in interface["addrs"] or ():
                    if entry["type"] == binding.VIR_IP_ADDR_TYPE_IPV4:
                        return str(entry["addr"])
    return ""


@contextlib.contextmanager
def _vanishing() -> Iterator[None]:
    """Somebody may remove a domain between the list and the look at it."""
    binding = libvirt()
    try:
        yield
    except binding.libvirtError as error:
        if error.get_error_code() not in (
            binding.VIR_ERR_NO_DOMAIN,
            binding.VIR_ERR_OPERATION_INVALID,
        ):
            raise


def _nothing_is_sent(connection: Any, volume: Any, chunks: object) -> None:
    """A survey writes nothing."""
