"""What a group of servers is made from, as plain frozen data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from vdc.plan.model import Size

Boot = Literal["image", "volume"]
Spread = Literal["soft", "strict", "none"]

UserData = Callable[[str, str], str]
"""The text of one node's first boot, from its name and join secret."""


@dataclass(frozen=True)
class Template:
    """What all servers of one group have in common.

    Attributes:
        realm: Whose things these are: names one stack of one data centre, and no other on earth.
        tags: What everybody can read from whatever is ours, see :mod:`vdc.plan.tags`.
        prefix: What the names of the group's nodes begin with.
        names: All wanted nodes of the group.
        image: Its name or id.
        flavor: Its name or id; empty for the smallest of the size.
        size: Capacity of each.
        network: Its name or id.
        security_groups: Ids.
        key_pair: Its name; empty for none.
        boot: Where the disk comes from.
        floating_ip: Whether each has an address that is reached from outside.
        external: Name or id of the network that floating addresses come from; empty for the one
            that the network's router leads to.
        zones: New nodes go from one to the next by their numbers; empty leaves it to the cloud.
        spread: Whether two may share a host of the cloud.
        server_group: Id of what holds the cloud to that; empty for none.
        dialled: Name and declared address of each node that others dial: control servers.
    """

    realm: str
    tags: tuple[tuple[str, str], ...]
    prefix: str
    names: tuple[str, ...]
    image: str
    flavor: str
    size: Size
    network: str
    security_groups: tuple[str, ...] = ()
    key_pair: str = ""
    boot: Boot = "image"
    floating_ip: bool = False
    external: str = ""
    zones: tuple[str, ...] = ()
    spread: Spread = "none"
    server_group: str = field(default="", compare=False)
    dialled: tuple[tuple[str, str], ...] = ()

    def zone(self, name: str) -> str:
        """Where a node goes: the same at every making, whatever the size of the group."""
        if not self.zones:
            return ""
        index = name.rpartition("-")[2]
        return self.zones[(int(index) if index.isdecimal() else 0) % len(self.zones)]

    def address(self, name: str) -> str:
        """The declared address of a node; empty where it takes what it gets."""
        return dict(self.dialled).get(name, "")
