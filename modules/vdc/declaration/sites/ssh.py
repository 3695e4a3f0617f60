"""The kind ``ssh``: machines exist already and are taken in over SSH."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from vdc.declaration.addresses import Host, is_address
from vdc.declaration.fields import Model, Name, Written, declared
from vdc.declaration.forms import Form, UnfitError
from vdc.declaration.machine import MachineSite, egress_has_its_proxy
from vdc.declaration.site import Group, Kind

_KEY = r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) AAAA[0-9A-Za-z+/]+={0,2}"


def _host_key(text: str) -> str:
    """Type and key without the comment, once the key is known to be whole."""
    key = " ".join(text.split()[:2])
    try:
        load_ssh_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitError(
            "is a host key of which something is missing",
            "copy the whole line that ssh-keyscan prints",
        ) from None
    return key


def _host_key_hint(text: str) -> str | None:
    if re.match(r"(SHA256|MD5):", text):
        return "write the key and not its fingerprint; ssh-keyscan prints it"
    inside = re.search(_KEY, text)
    return f"leave out what stands before {inside.group(1)}" if inside else None


HOST_KEY = Form(
    name="host-key",
    noun="a host key",
    rule="its type and the key, as ssh-keyscan prints them",
    example=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"),
    pattern=rf"^{_KEY}( [^\n]*)?$",
    value=_host_key,
    hint=_host_key_hint,
)
USER = Form(
    name="user",
    noun="a user's name",
    rule="the name that the machine knows the user by",
    example="admin",
    pattern=r"^[a-z_][a-z0-9_.-]{0,31}$",
    hint=lambda text: "leave the password out" if ":" in text else None,
)
KEY_FILE = Form(
    name="key-file",
    noun="the path of a private key",
    rule="the whole path of its file, or one that begins with ~/",
    example="~/.ssh/id_ed25519",
    pattern=r"^(/|~/)[^\n]+$",
    hint=lambda text: (
        "write the path of the key's file and not the key" if "PRIVATE KEY" in text else None
    ),
)


class Machine(Model):
    """One machine that exists already."""

    address: Host = declared(
        "Where its SSH server is reached.", change="in-place", example="10.0.0.5"
    )
    port: int = declared(
        "The port of its SSH server.", default=22, change="in-place", ge=1, le=65_535
    )
    user: Annotated[str, Written(USER)] = declared(
        "Who signs in there: root, or a user who may become root without a password.",
        change="in-place",
    )
    host_key: Annotated[str, Written(HOST_KEY)] = declared(
        "The key by which its SSH server is known; another one is refused.", change="in-place"
    )


class SshGroup(Group):
    """Machines of the inventory that the pool treats alike."""

    machines: tuple[Name, ...] = declared(
        "Which machines of the site, by name.", change="in-place", example=["m1"]
    )

    @property
    def members(self) -> tuple[str, ...]:
        """See :class:`~vdc.declaration.site.Group`."""
        return self.machines


class Servers(Model):
    """The machines that carry the control plane."""

    machines: tuple[Name, ...] = declared(
        "Which machines of the site, by name, one per server.", example=["m1"]
    )


class SshSite(MachineSite):
    """A site of machines that exist already: each is taken in over SSH and let go again."""

    kind: Literal["ssh"] = declared("On machines that exist already, reached over SSH.")
    machines: Mapping[Name, Machine] = declared(
        "The machines that there are, by name.", change="in-place", min_length=1
    )
    key: Annotated[str, Written(KEY_FILE)] | None = declared(
        "The file of the private key to sign in with; left out: ssh-agent's keys.",
        default=None,
        change="in-place",
    )
    servers: Servers | None = declared(
        "The machines that carry the control plane, when it stands here.", default=None
    )
    groups: Mapping[Name, SshGroup] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )

    @property
    def server_members(self) -> tuple[str, ...]:
        """See :class:`~vdc.declaration.site.Site`."""
        return self.servers.machines if self.servers else ()

    @property
    def server_addresses(self) -> tuple[str, ...]:
        """See :class:`~vdc.declaration.site.Site`; names are not enough, agents dial addresses."""
        found = [self.machines[name].address for name in self.server_members]
        return tuple(found) if all(is_address(address) for address in found) else ()


KIND = Kind(
    name="ssh",
    site=SshSite,
    on_this_machine=False,
    forms=(HOST_KEY, USER, KEY_FILE),
    rules={
        "egress_has_its_proxy": lambda name, site, _: egress_has_its_proxy(name, site),
    },
)
