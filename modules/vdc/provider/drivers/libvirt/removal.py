"""The end of a node on its host: the domain, its volumes, and nothing that is not ours. Blocks."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from vdc.errors import ForeignNodeError
from vdc.provider.drivers.libvirt import marks, transfer
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.sdk import libvirt, parsed, present
from vdc.provider.drivers.libvirt.store import Store


def owned_domain(host: Host, names: Names, owner: str, name: str) -> Any | None:
    """The domain of that name, once its mark says that it is this group's; None without one.

    Raises:
        ForeignNodeError: It is not this group's.
    """
    with host.stage("look-up"):
        domain = present(host.connection.lookupByName, name)
        if domain is None:
            return None
        mark = marks.mark(definition(domain))
    if mark is None:
        raise ForeignNodeError(f"{host.label}: a domain {name} exists and is not ours; rename it")
    if (mark.realm, mark.owner) != (names.realm, owner):
        raise ForeignNodeError(
            f"{host.label}: domain {name} belongs to {mark.owner} of {mark.realm}; "
            "rename the data centre or remove that node"
        )
    return domain


def remove(host: Host, names: Names, owner: str, name: str) -> None:
    """Removes a node with all its volumes; already gone is success.

    Raises:
        ForeignNodeError: A domain of that name is not this group's.
        NodeError: Something of it is still there.
    """
    domain = owned_domain(host, names, owner, name)
    with host.stage("removal"):
        if domain is not None:
            if domain.isActive():
                present(domain.destroy)
            present(_undefine, domain)
        Store(host, names, transfer.send).remove_node(name)


def definition(domain: Any) -> ET.Element:
    """A domain as it is kept, which a running one may differ from."""
    return parsed(domain.XMLDesc(libvirt().VIR_DOMAIN_XML_INACTIVE))


def _undefine(domain: Any) -> None:
    """Removes a definition with whatever libvirt keeps beside it; not every driver keeps such."""
    binding = libvirt()
    try:
        domain.undefineFlags(
            binding.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | binding.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | binding.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | binding.VIR_DOMAIN_UNDEFINE_NVRAM
        )
    except binding.libvirtError as error:
        if error.get_error_code() != binding.VIR_ERR_INVALID_ARG:
            raise
        domain.undefine()
