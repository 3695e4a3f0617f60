"""What a site on libvirt hosts declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from vdc.declaration.addresses import Network as NetworkAddress
from vdc.declaration.fields import Model, Name, Written, declared
from vdc.declaration.forms import NAME, Form
from vdc.declaration.machine import Surrounded
from vdc.declaration.os import OperatingSystem
from vdc.declaration.site import CountedGroup

Machine = Literal["auto", "kvm", "qemu", "lxc"]

TRANSPORTS = ("unix", "ssh", "libssh", "libssh2", "tls")
"""How libvirt reaches a host's daemon; the ways that neither encrypt nor ask who is there are
left out."""


def _uri(text: str) -> str:
    if urlsplit(text).port == 0:  # one that is too large is a ValueError there
        raise ValueError(text)
    return text


def _uri_hint(text: str) -> str | None:
    if "+tcp://" in text:
        return "write +tls or +ssh instead of +tcp, which anybody on the way can read"
    if re.search(r"//[^/]*:[^/]*@", text):
        return "leave the password out: a declaration holds no secrets"
    if text.endswith("/session"):
        return f"write {text.removesuffix('session')}system: sessions have no networks"
    if "@" not in text and "/" not in text and text:
        return f"write qemu+ssh://root@{text}/system"
    return None


def _uuid_hint(text: str) -> str | None:
    return f"write {text.lower()}" if UUID.fits(text.lower()) else None


URI = Form(
    name="libvirt-uri",
    noun="the address of a host's libvirt",
    rule="qemu or lxc, how to reach it, and /system",
    example="qemu:///system",
    pattern=(
        rf"^(qemu|lxc)(\+({'|'.join(TRANSPORTS)}))?"
        r"://([A-Za-z0-9._-]+@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])?(:[0-9]{1,5})?"
        r"/(system)?(\?[^\s#]+)?$"
    ),
    value=_uri,
    hint=_uri_hint,
)
UUID = Form(
    name="uuid",
    noun="a host's UUID",
    rule="it as virsh capabilities prints it",
    example="4dea22b3-1d52-d8f3-2516-782e98ab3fa0",
    pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
    hint=_uuid_hint,
)
BRIDGE = Form(
    name="bridge",
    noun="a bridge's name",
    rule="the name of an existing bridge, up to 15 characters",
    example="br0",
    pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,14}$",
)
POOL = Form(
    name="storage-pool",
    noun="a storage pool's name",
    rule="the name of an existing storage pool",
    example="default",
    pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
)


FORMS = (URI, UUID, BRIDGE, POOL)

HostName = Annotated[str, Written(NAME, example="a")]


class Network(Model):
    """What machines are connected to: an existing bridge, or a network of their own."""

    bridge: Annotated[str, Written(BRIDGE)] | None = declared(
        "An existing bridge of the host; machines are on the network behind it.",
        default=None,
        change="replace",
    )
    nat: NetworkAddress | None = declared(
        "A network made for the machines, translated to the host's address on its way out, where "
        "egress lets it out.",
        default=None,
        change="replace",
    )


class Host(Model):
    """One host that runs libvirt."""

    uri: Annotated[str, Written(URI)] = declared("Where its libvirt is reached.", change="in-place")
    identity: Annotated[str, Written(UUID)] | None = declared(
        "The UUID that the host must have, as virsh capabilities prints it.",
        default=None,
        change="in-place",
    )
    pool: Annotated[str, Written(POOL)] | None = declared(
        "An existing storage pool for its machines' disks; left out: one of our own.",
        default=None,
        change="replace",
    )
    network: Network | None = declared(
        "What its machines are connected to, where that differs from the site's.",
        default=None,
        change="replace",
    )

    @property
    def driver(self) -> str:
        """``qemu`` for virtual machines, ``lxc`` for system containers."""
        return urlsplit(self.uri).scheme.partition("+")[0]

    @property
    def is_here(self) -> bool:
        """Whether it is the machine where Pulumi runs."""
        return not urlsplit(self.uri).hostname

    @property
    def computer(self) -> str:
        """What stands for the computer behind the address, however libvirt is reached there.

        Two daemons on this machine that listen on sockets of their own count as two.
        """
        parts = urlsplit(self.uri)
        socket = "".join(parse_qs(parts.query).get("socket", ()))
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.hostname or ''}{port}{socket}"


class LibvirtGroup(CountedGroup):
    """Machines made from one template, spread over the site's hosts."""

    os: OperatingSystem | None = declared(
        "What runs on them, where that differs from the site's.", default=None, change="replace"
    )
    machine: Machine | None = declared(
        "What they are, where that differs from the site's.", default=None, change="replace"
    )


class LibvirtSite(Surrounded):
    """A site on hosts that run libvirt: every machine is a domain on one of them."""

    kind: Literal["libvirt"] = declared("On libvirt hosts, one domain per machine.")
    hosts: Mapping[HostName, Host] = declared(
        "The hosts that carry the machines, by name.", change="in-place", min_length=1
    )
    network: Network = declared(
        "What machines are connected to.", change="replace", example={"bridge": "br0"}
    )
    egress: Literal["nat", "none"] = declared(
        "How machines leave a network that is made for them: as their host, or not at all. A "
        "bridge leads where its owner says.",
        default="nat",
        change="replace",
    )
    os: OperatingSystem = declared(
        "What runs on machines.",
        change="replace",
        example={"name": "debian", "version": "12", "unverified": True},
    )
    machine: Machine = declared(
        "What machines are: virtual ones by kvm or qemu (auto: kvm where the host has it), or "
        "system containers by lxc.",
        default="auto",
        change="replace",
    )
    groups: Mapping[Name, LibvirtGroup] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )

    def network_of(self, host: str) -> Network:
        """What the machines on a host are connected to."""
        return self.hosts[host].network or self.network
