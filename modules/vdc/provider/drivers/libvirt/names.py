"""Names of everything of ours on a host: whose it is, and what it holds.

A volume or a network cannot bear a mark, so its name is the mark. What depends on content is
named by its SHA-256: other content is another thing, never a change of one in use. Stack and node
names hold no dot beside another part, so that no name is the beginning of another's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_SHORT = 16


def realm(datacenter: str, stack: str, ca_cert: str) -> str:
    """Names one stack of one data centre; two that merely share their names have other CAs."""
    proof = hashlib.sha256("\0".join((datacenter, stack, ca_cert)).encode()).hexdigest()
    return f"{datacenter}.{stack}.{proof[:8]}"


def mac(node: str) -> str:
    """The node's network address for life, in QEMU's range; the same at every making."""
    tail = hashlib.sha256(node.encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail[:3])


@dataclass(frozen=True)
class Names:
    """Names within one realm."""

    realm: str

    @property
    def prefix(self) -> str:
        """What every name of the realm begins with."""
        return f"vdc.{self.realm}."

    @property
    def nodes(self) -> str:
        """What the names of all nodes begin with."""
        return f"{self.realm.partition('.')[0]}-"

    @property
    def pool(self) -> str:
        """The storage pool of ours."""
        return f"vdc.{self.realm}"

    def network(self, site: str, content: str) -> str:
        """A network of ours; other addresses make another network."""
        return f"{self.prefix}{site}.{digest(content)[:8]}"

    def shared(self, what: str, sha256: str, suffix: str) -> str:
        """A volume that many nodes use."""
        return f"{self.prefix}{what}.{sha256[:_SHORT]}.{suffix}"

    def of_node(self, node: str, what: str) -> str:
        """A volume of one node."""
        return f"{self.node_prefix(node)}{what}"

    def node_prefix(self, node: str) -> str:
        """What the names of a node's volumes begin with."""
        return f"{self.prefix}node.{node}."

    def node(self, volume: str) -> str | None:
        """The node whose volume this is."""
        head = f"{self.prefix}node."
        return volume.removeprefix(head).partition(".")[0] if volume.startswith(head) else None


def digest(*texts: str) -> str:
    """SHA-256 of texts in order, each apart from the next."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
