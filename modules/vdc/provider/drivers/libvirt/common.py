"""What the nodes of a host have in common there: base image, payload, network. All of it blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vdc.bootstrap import layout
from vdc.provider.drivers.libvirt import disks, xml
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.model import Bridge, Nat, Template
from vdc.provider.drivers.libvirt.names import Names, digest
from vdc.provider.drivers.libvirt.sdk import present
from vdc.provider.drivers.libvirt.store import Store, Volume


@dataclass(frozen=True)
class Payload:
    """A file for every node of the group. ``cache``: where disks with it are kept."""

    file: Path
    sha256: str
    cache: Path


@dataclass(frozen=True)
class Common:
    """What a node shares with others on its host."""

    base: Volume
    payload: Volume | None
    network: Bridge | str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what is ours among it."""
        volumes = (self.base, self.payload)
        names = [volume.name for volume in volumes if volume]
        return (*names, self.network) if isinstance(self.network, str) else tuple(names)


@contextmanager
def using(
    host: Host, store: Store, template: Template, payload: Payload | None, *, container: bool
) -> Iterator[Common]:
    """Makes what is not there yet; none of it is cleared away while this is open.

    Args:
        host: The host.
        store: Its volumes.
        template: The group.
        payload: What is delivered beside the user data.
        container: Whether the nodes are containers, which mount what others read as disks.

    Raises:
        NodeError: The text names host and stage.
    """
    with host.shared.changing:
        host.shared.users += 1
    try:
        with host.shared.changing:
            common = Common(
                store.base(template.image, file_system=container),
                _payload(store, template, payload, container=container) if payload else None,
                _network(host, template),
            )
        yield common
    finally:
        with host.shared.changing:
            host.shared.users -= 1


def _payload(store: Store, template: Template, payload: Payload, *, container: bool) -> Volume:
    kind: disks.DiskFormat = "ext4" if container else "iso"
    name = Names(template.realm).shared("load", digest(payload.sha256, kind))
    label = layout.PAYLOAD_LABEL
    file, sha256, cache = payload.file, payload.sha256, payload.cache
    return store.shared(name, lambda: disks.from_file(kind, label, file, sha256, cache))


def _network(host: Host, template: Template) -> Bridge | str:
    wanted = template.network_on(host.spec)
    return wanted if isinstance(wanted, Bridge) else _nat(host, template, wanted)


def _nat(host: Host, template: Template, wanted: Nat) -> str:
    name = Names(template.realm).network(template.site, wanted)
    with host.stage("network"):
        network = present(host.connection.networkLookupByName, name)
        if network is None:
            network = host.connection.networkDefineXML(xml.network(name, wanted))
        if not network.isActive():
            network.create()
        network.setAutostart(1)
    return name
