"""Names of everything of ours on a host: whose it is, and what it holds.

A volume or a network cannot bear a mark, so its name is the mark. What depends on content is
named by its SHA-256: other content is another thing, never a change of one in use.

A container's disk is a loop device, whose kernel interface takes no path of more than 63 bytes,
and a node's name alone may be as long. So volumes have short names, made from hashes, and each
node has an empty one more, its *label*, which is made before the others, is removed after them,
and says in full whose they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from vdc.provider.drivers.libvirt.model import Nat

LONGEST_LOOP_PATH = 63

_ID = 6
_SHORT = 10
_SEED = 6

Kind = Literal["base", "load"]
"""What many nodes use: the image and the payload."""


def realm(datacenter: str, stack: str, ca_cert: str) -> str:
    """Names one stack of one data centre; two that merely share their names have other CAs."""
    return f"{datacenter}.{stack}.{digest(datacenter, stack, ca_cert)[:_ID]}"


@dataclass(frozen=True)
class Names:
    """Names within one realm."""

    realm: str

    @property
    def id(self) -> str:
        """What short names begin with."""
        return self.realm.rpartition(".")[2]

    @property
    def nodes(self) -> str:
        """What the names of all nodes begin with."""
        return f"{self.realm.partition('.')[0]}-"

    @property
    def pool(self) -> str:
        """The storage pool of ours."""
        return f"vdc.{self.realm}"

    @property
    def folder(self) -> str:
        """The pool's folder."""
        return f"vdc-{self.id}"

    def network(self, site: str, content: Nat) -> str:
        """A network of ours; other addresses, or another way out, make another network."""
        parts = (content.cidr, "closed") if content.closed else (content.cidr,)
        return f"vdc.{self.realm}.{site}.{digest(*parts)[:_SHORT]}"

    def shared(self, kind: Kind, sha256: str, suffix: str = "") -> str:
        """A volume that many nodes use."""
        return f"{self.id}-{kind}.{sha256[:_SHORT]}{suffix}"

    def label(self, node: str) -> str:
        """The volume that says which node's the volumes of its hash are."""
        return f"vdc.{self.realm}.node.{node}.{_hash(node)}"

    def disk(self, node: str) -> str:
        """A node's root."""
        return f"{self.of_node(node)}root"

    def console(self, node: str) -> str:
        """What a node has said on its console."""
        return f"{self.of_node(node)}log"

    def seed(self, node: str, sha256: str) -> str:
        """A node's user data, by its content."""
        return f"{self.of_node(node)}seed{sha256[:_SEED]}"

    def mac(self, node: str) -> str:
        """A node's network address, in QEMU's range; the same at every making."""
        tail = digest(self.realm, node)
        return f"52:54:00:{tail[:2]}:{tail[2:4]}:{tail[4:6]}"

    def of_node(self, node: str) -> str:
        """What the names of a node's volumes begin with, its label apart."""
        return f"{self.id}-{_hash(node)}."

    def labelled(self, volume: str) -> str | None:
        """The node whose label this is; None for any other volume."""
        head = f"vdc.{self.realm}.node."
        return volume.removeprefix(head).partition(".")[0] if volume.startswith(head) else None

    def is_ours(self, name: str) -> bool:
        """Whether a volume or network is the realm's."""
        return name.startswith((f"vdc.{self.realm}.", f"{self.id}-"))

    def is_shared(self, volume: str) -> bool:
        """Whether it is one of those that many nodes use."""
        kinds: tuple[Kind, ...] = ("base", "load")
        return volume.startswith(tuple(f"{self.id}-{kind}." for kind in kinds))


def digest(*texts: str) -> str:
    """SHA-256 of texts in order, each apart from the next."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _hash(node: str) -> str:
    return digest(node)[:_SHORT]
