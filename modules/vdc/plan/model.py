"""What a declaration comes to: machines, groups and prices, before any effect.

All of it is frozen and hashable, so that two equal declarations give equal plans
and a plan can be handed to any layer to the right without a copy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal

Role = Literal["server", "client"]

MHZ_PER_CORE = 1000
"""What a declared core counts in the scheduler's unit."""


@dataclass(frozen=True)
class Size:
    """One machine's capacity.

    Attributes:
        cpu_mhz: Compute in MHz, the scheduler's unit; see :data:`MHZ_PER_CORE`.
        memory_mib: Memory in MiB.
        disk_mib: Disk in MiB.
    """

    cpu_mhz: int
    memory_mib: int
    disk_mib: int

    @property
    def cores(self) -> int:
        """Whole cores that it takes."""
        return -(-self.cpu_mhz // MHZ_PER_CORE)

    def times(self, count: int) -> Size:
        """The capacity of ``count`` such machines."""
        return Size(self.cpu_mhz * count, self.memory_mib * count, self.disk_mib * count)

    def plus(self, other: Size) -> Size:
        """Both capacities together."""
        return Size(
            self.cpu_mhz + other.cpu_mhz,
            self.memory_mib + other.memory_mib,
            self.disk_mib + other.disk_mib,
        )


@dataclass(frozen=True)
class Node:
    """One machine as planned; ``name`` is unique in the data centre, never reused for another."""

    name: str
    group: str
    site: str


@dataclass(frozen=True)
class NodeGroup:
    """Machines made from one template.

    Attributes:
        name: The group's name inside its site.
        site: The site's name, which is also the scheduler's ``datacenter``.
        kind: The site's kind, for the registry alone to read.
        role: ``server`` carries the control plane and runs no work; ``client`` runs work.
        count: How many machines.
        size: Capacity of each.
        labels: Sorted pairs, written to each node as dynamic metadata.
        price: Per node-hour in the plan's currency; None when nothing prices it.
        drain_deadline_s: Seconds that removal waits for a node's work to move.
        prefix: What the nodes' names begin with.
        members: What follows in each node's name where the kind names its machines; empty where
            it only counts them: then 0, 1, ... follows.
        most: How many machines it may come to have without another declaration.
        named: Whether nodes' names are known beforehand; else each is the prefix and what the
            machine turns out to be called by its cloud.
    """

    name: str
    site: str
    kind: str
    role: Role
    count: int
    size: Size
    labels: tuple[tuple[str, str], ...]
    price: Decimal | None
    drain_deadline_s: int
    prefix: str
    members: tuple[str, ...] = ()
    most: int = 0
    named: bool = True

    def __post_init__(self) -> None:
        if self.most < self.count:
            object.__setattr__(self, "most", self.count)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The machines, in order; the names depend on nothing but prefix, and index or member.

        None of a group whose machines are named by their cloud.
        """
        if not self.named:
            return ()
        suffixes = self.members or range(self.count)
        return tuple(Node(f"{self.prefix}-{suffix}", self.name, self.site) for suffix in suffixes)

    @property
    def capacity(self) -> Size:
        """What the group offers to work: nothing when it is made of servers."""
        return self.size.times(self.count if self.role == "client" else 0)


@dataclass(frozen=True)
class App:
    """An installed package that the declaration owns. ``options`` is canonical JSON text."""

    name: str
    package: str
    options: str


@dataclass(frozen=True)
class Site:
    """A place with machines.

    Attributes:
        name: The site's name.
        kind: The site's kind, for the registry alone to read.
        groups: In the declaration's order, servers first.
        declared: The site as declared, as canonical JSON text that the kind's own model reads
            back; equal sites have equal texts.
        egress_price: What the way out costs each hour whatever the number of machines; None when
            nothing prices it.
    """

    name: str
    kind: str
    groups: tuple[NodeGroup, ...]
    declared: str = field(repr=False)
    egress_price: Decimal | None = None


@dataclass(frozen=True)
class Control:
    """What carries the control plane.

    Attributes:
        site: The site that carries the scheduler's servers and the pool service.
        servers: How many servers: 1, 3 or 5.
        addresses: One per server that every machine can dial; empty only where every machine
            is this one.
        endpoint: Names or addresses of the pool API; empty when there are no addresses either.
        release: Where the pool service's program for servers lies, and its SHA-256; empty when
            it is made from the checkout.
    """

    site: str
    servers: int
    addresses: tuple[str, ...]
    endpoint: tuple[str, ...]
    release: tuple[str, str] | tuple[()] = ()


@dataclass(frozen=True)
class Plan:
    """The whole data centre.

    Attributes:
        name: The data centre's name.
        currency: ISO 4217 code of every price.
        sites: In the declaration's order.
        apps: In the declaration's order.
        control: What carries the control plane.
    """

    name: str
    currency: str
    sites: tuple[Site, ...]
    apps: tuple[App, ...]
    control: Control

    @cached_property
    def groups(self) -> tuple[NodeGroup, ...]:
        """Every group of every site."""
        return tuple(group for site in self.sites for group in site.groups)

    @cached_property
    def capacity(self) -> Size:
        """What all work nodes offer together."""
        total = Size(0, 0, 0)
        for group in self.groups:
            total = total.plus(group.capacity)
        return total

    @cached_property
    def price_per_hour(self) -> Decimal:
        """The sum over priced groups and ways out; see ``unpriced`` for what it leaves out."""
        groups = (group.price * group.count for group in self.groups if group.price is not None)
        ways = (site.egress_price for site in self.sites if site.egress_price is not None)
        return sum((*groups, *ways), Decimal(0))

    @cached_property
    def unpriced(self) -> tuple[NodeGroup, ...]:
        """Groups without a price: never counted as zero in silence."""
        return tuple(group for group in self.groups if group.price is None)
