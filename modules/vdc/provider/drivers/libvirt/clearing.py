"""Takes away what nodes of a realm shared on a host and none of them uses any more. Blocks."""

from __future__ import annotations

from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.sdk import present
from vdc.provider.drivers.libvirt.store import Store
from vdc.provider.drivers.libvirt.survey import survey
from vdc.provider.drivers.libvirt.transfer import send


def clear(host: Host, names: Names) -> None:
    """Removes base images, payloads, networks, and the pool once no node is left.

    Nothing is touched while a node is being made there, nor while there is a node that shows only
    its volumes: it may belong to another of the host's drivers, and what it uses is not known.

    Args:
        host: The host.
        names: Names in the realm.
    """
    with host.shared.changing:
        seen = survey(host, names, names.nodes)
        if host.shared.users or seen.leftovers:
            return
        used = {name for node in seen.found for name in node.mark.uses.split()}
        with host.stage("networks"):
            for network in host.connection.listAllNetworks(0):
                if names.is_ours(network.name()) and network.name() not in used:
                    if network.isActive():
                        present(network.destroy)
                    present(network.undefine)
        store = Store(host, names, send)
        with host.stage("volumes"):
            store.remove_unused(used)
        if not seen.found:
            store.close()
