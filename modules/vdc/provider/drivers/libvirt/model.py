"""What a group on libvirt hosts is made from, as plain frozen data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from vdc.plan.model import Size

Machine = Literal["auto", "kvm", "qemu", "lxc"]
Init = Literal["cloud-init", "ignition"]

UserData = Callable[[str, str, str], Mapping[str, str]]
"""File names and texts of one node's first boot, from its name, join secret and incarnation."""


@dataclass(frozen=True)
class Bridge:
    """A network of the host's owner, which nodes join and nobody of us changes."""

    name: str


@dataclass(frozen=True)
class Nat:
    """A network of ours on each host.

    Attributes:
        cidr: IPv4; the first address is the host's.
        closed: Whether nothing in it reaches more than the host and its like.
    """

    cidr: str
    closed: bool = False


Network = Bridge | Nat


@dataclass(frozen=True)
class HostSpec:
    """A libvirt host as declared.

    Attributes:
        name: Its name in the declaration.
        uri: libvirt's address of it; its scheme says which sort of machine is made there.
        identity: The UUID that the host must report; empty when none is declared.
        pool: An existing storage pool; empty for a directory of ours.
        network: What replaces the site's network on this host.
    """

    name: str
    uri: str
    identity: str = ""
    pool: str = ""
    network: Network | None = None

    @property
    def daemon(self) -> str:
        """What answers there: its drivers of machines share storage and networks."""
        parts = urlsplit(self.uri)
        transport = parts.scheme.partition("+")[2]
        return f"{transport}//{parts.netloc}?{parts.query}"


@dataclass(frozen=True)
class Image:
    """A disk image.

    Attributes:
        source: An ``https`` address, or an absolute path on this machine.
        sha256: The sum that it must have; empty when its user takes whatever is there.
    """

    source: str
    sha256: str

    @property
    def key(self) -> str:
        """What its volumes are named by: its content, or where that comes from."""
        return self.sha256 or hashlib.sha256(self.source.encode()).hexdigest()


@dataclass(frozen=True)
class Template:
    """What all nodes of one group have in common.

    Attributes:
        realm: Whose things these are: names one stack of one data centre, and no other on earth.
        owner: Stack, site and group: the mark that makes a node this group's.
        site: The site's name.
        prefix: What the names of the group's nodes begin with.
        names: All wanted nodes of the group.
        hosts: Where they may be.
        network: What they are attached to, unless a host says otherwise.
        image: What they boot.
        machine: What they are.
        arch: libvirt's word for the architecture: ``x86_64``, ``aarch64``.
        init: Who reads the user data.
        size: Capacity of each.
        apart: Never two on one host while there are enough hosts.
        payload: SHA-256 of what is delivered beside the user data; empty for nothing.
        dialled: Name and declared address of each node that others dial: control servers.
    """

    realm: str
    owner: str
    site: str
    prefix: str
    names: tuple[str, ...]
    hosts: tuple[HostSpec, ...]
    network: Network
    image: Image
    machine: Machine
    arch: str
    init: Init
    size: Size
    apart: bool = False
    payload: str = ""
    dialled: tuple[tuple[str, str], ...] = ()

    def network_on(self, host: HostSpec) -> Network:
        """The host's own network, else the site's."""
        return host.network or self.network
