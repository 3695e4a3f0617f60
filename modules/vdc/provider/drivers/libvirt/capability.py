"""What sort of machine a host really makes."""

from __future__ import annotations

from collections.abc import Callable

from vdc.errors import NodeError
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.model import Machine
from vdc.provider.drivers.libvirt.sdk import libvirt, parsed

_BEST_FIRST = ("kvm", "qemu")


def machine_type(host: Host, arch: str, machine: Machine) -> str:
    """What a host makes for a group; see :func:`domain_type`. Blocks."""

    def serves(kind: str) -> bool:
        if kind != "kvm":
            return True
        try:
            host.connection.getDomainCapabilities(None, arch, None, kind)
        except libvirt().libvirtError:
            return False
        return True

    with host.stage("capabilities"):
        told = host.connection.getCapabilities()
        try:
            return domain_type(told, arch, machine, serves)
        except NodeError as error:
            raise NodeError(f"{host.label}: {error}") from None


def domain_type(
    capabilities: str, arch: str, machine: Machine, serves: Callable[[str], bool]
) -> str:
    """The type of the machines to be made: ``kvm``, ``qemu``, ``lxc``. Pure.

    Args:
        capabilities: What the host says of itself, libvirt's document.
        arch: libvirt's word for the architecture.
        machine: The declared wish; ``auto`` takes the fastest that the host serves.
        serves: Asks the host whether a type that it offers works there: KVM is offered wherever
            QEMU was built with it, also where ``/dev/kvm`` refuses.

    Raises:
        NodeError: The host does not offer it.
    """
    offered = {
        domain.get("type", "")
        for guest in parsed(capabilities).iterfind("guest")
        for found in guest.iterfind("arch")
        if found.get("name") == arch
        for domain in found.iterfind("domain")
    }
    if machine != "auto":
        if machine not in offered:
            raise NodeError(_missing(machine, arch, offered))
        if not serves(machine):
            raise NodeError(
                f"{machine} does not work there; give the host access to /dev/kvm, "
                "or declare `machine: auto`"
            )
        return machine
    ranked = [kind for kind in _BEST_FIRST if kind in offered]
    ranked += sorted(offered.difference(_BEST_FIRST))
    for kind in ranked:
        if serves(kind):
            return kind
    raise NodeError(_missing("any machine", arch, offered))


def _missing(wanted: str, arch: str, offered: set[str]) -> str:
    others = f" (for {arch} it offers {', '.join(sorted(offered))})" if offered else ""
    return f"does not offer {wanted} for {arch}{others}"
