"""Marks of ownership: a server's metadata, and the description of what can carry none. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from vdc.plan import tags as known_tags

_NODE = "vdc-node"
_REALM = "vdc-realm"
_DIGEST = "vdc-digest"
_FIXED = "vdc-fixed"
_INCARNATION = "vdc-incarnation"
_HEAD = "vdc"


def realm(datacenter: str, stack: str, ca_cert: str) -> str:
    """Names one stack of one data centre; two that merely share their names have other CAs."""
    return digest(datacenter, stack, ca_cert)[:12]


def digest(*texts: str) -> str:
    """SHA-256 of texts in order, each apart from the next."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


@dataclass(frozen=True)
class Mark:
    """Whose a server is and what it was made from.

    Attributes:
        realm: See :func:`realm`.
        node: The node's name.
        digest: Of the template.
        fixed: Likewise, but for what can change on a running server.
        incarnation: Another at every making.
        tags: What everybody can read, sorted.
    """

    realm: str
    node: str
    digest: str
    fixed: str
    incarnation: str
    tags: tuple[tuple[str, str], ...]

    @property
    def metadata(self) -> dict[str, str]:
        """As it stands at the server."""
        return {
            **dict(self.tags),
            _NODE: self.node,
            _REALM: self.realm,
            _DIGEST: self.digest,
            _FIXED: self.fixed,
            _INCARNATION: self.incarnation,
        }

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Mark | None:
        """The mark of a server; None for one that is nobody's of us."""
        if _REALM not in metadata or _NODE not in metadata:
            return None
        return cls(
            realm=metadata[_REALM],
            node=metadata[_NODE],
            digest=metadata.get(_DIGEST, ""),
            fixed=metadata.get(_FIXED, ""),
            incarnation=metadata.get(_INCARNATION, ""),
            tags=tuple(sorted(tagged(metadata).items())),
        )


_TAGS = (
    known_tags.DATACENTER,
    known_tags.STACK,
    known_tags.SITE,
    known_tags.GROUP,
    known_tags.EXPIRES,
)


def tagged(metadata: Mapping[str, str]) -> dict[str, str]:
    """What of a thing's metadata are tags of ours."""
    return {key: metadata[key] for key in _TAGS if key in metadata}


def same_group(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two things belong to one group of one stack."""
    return all(one.get(key) == other.get(key) for key in _TAGS if key != known_tags.EXPIRES)


def description(tags: Mapping[str, str], realm: str, node: str) -> str:
    """The mark of a port or a floating address, there from the moment it is made.

    Tags in OpenStack's network service are set by a second request, before which a run may end.
    """
    parts = (tags.get(key, "") for key in _TAGS[:4])
    return " ".join((_HEAD, *parts, node, realm))


def described(text: str) -> tuple[dict[str, str], str, str] | None:
    """The tags, the node and the realm in a description; None for one that is not ours."""
    parts = text.split(" ")
    if len(parts) != len(_TAGS[:4]) + 3 or parts[0] != _HEAD:
        return None
    return dict(zip(_TAGS[:4], parts[1:5], strict=True)), parts[5], parts[6]
