"""What sites and groups of every kind have in common, and what a kind is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, TypeVar

from pydantic import PlainSerializer

from vdc.declaration.fields import (
    LabelKey,
    LabelValue,
    Model,
    Name,
    Price,
    Written,
    declared,
)
from vdc.declaration.finding import Findings
from vdc.declaration.forms import DURATION, SIZE, Form, Quantity, plain

if TYPE_CHECKING:
    from vdc.declaration.model import Declaration


class Size(Model):
    """What one machine has."""

    cpu: Annotated[Decimal, PlainSerializer(plain, when_used="json")] = declared(
        "Cores of each machine, in steps of 0.1; one core counts 1,000 MHz to the scheduler.",
        change="replace",
        example=2,
        ge=Decimal("0.1"),
        le=1024,
        multiple_of=Decimal("0.1"),
    )
    memory: Annotated[Quantity, Written(SIZE, "64MiB", "64TiB")] = declared(
        "Memory of each machine.", change="replace"
    )
    disk: Annotated[Quantity, Written(SIZE, "256MiB", "1024TiB")] = declared(
        "Disk of each machine.", change="replace", example="10GiB"
    )


class Drain(Model):
    """How work leaves a machine before the machine goes."""

    deadline: Annotated[Quantity, Written(DURATION, "0s", "24h")] = declared(
        "How long a removal waits for a machine's work to move elsewhere.",
        default="5m",
        change="in-place",
        example="5m",
    )


class Group(Model):
    """Machines made from one template. Each kind has a model of its own that says how many."""

    size: Size = declared("What each machine has.", change="replace")
    labels: Mapping[LabelKey, LabelValue] = declared(
        "Facts about the machines that work can ask for.", default={}, change="in-place"
    )
    price: Price | None = declared(
        "Price of one machine for one hour, in the declaration's currency.",
        default=None,
        change="in-place",
    )
    drain: Drain = declared(
        "How work leaves a machine before the machine goes.", default={}, change="in-place"
    )

    @property
    def machine_count(self) -> int:
        """How many machines the group has."""
        return len(self.members)

    @property
    def members(self) -> tuple[str, ...]:
        """The machines by name where the kind names them; empty where it only counts them."""
        return ()

    @property
    def most_machines(self) -> int:
        """How many machines it may come to have without another declaration."""
        return self.machine_count

    @property
    def longest_member(self) -> str:
        """The longest text that follows the group's prefix in a machine's name."""
        return max(self.members, key=len, default=str(max(self.most_machines - 1, 0)))


class CountedGroup(Group):
    """As many machines as asked for, all made from one template."""

    count: int = declared("How many machines.", change="in-place", example=3, ge=0, le=10_000)

    @property
    def machine_count(self) -> int:
        """See :class:`Group`."""
        return self.count


class Site(Model):
    """A place with machines. Each kind has a model of its own that says its ``kind``."""

    on_this_machine: ClassVar[bool] = False
    """Whether its machines are where Pulumi runs and reach 127.0.0.1 there."""
    names_machines: ClassVar[bool] = True
    """Whether machines' names are known beforehand; else each is named by what it turns out
    to be."""

    kind: str = declared("What the site is made of; chooses its other keys.")
    groups: Mapping[Name, Group] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )

    @property
    def standing_price(self) -> Decimal | None:
        """What the site costs each hour beside its machines; None where nothing does."""
        return None

    @property
    def server_members(self) -> tuple[str, ...]:
        """The control servers by name where the kind names its machines; else empty."""
        return ()

    @property
    def server_addresses(self) -> tuple[str, ...] | None:
        """The control servers' addresses; None where only ``control`` can say them."""
        return None


S = TypeVar("S", bound=Site)

SiteRule = Callable[[str, S, "Declaration"], Findings]
"""A rule about one site: takes its name, the site, and the declaration that it is part of."""

KindRule = Callable[[Mapping[str, S]], Findings]
"""A rule between sites of one kind: takes all of them by name."""


@dataclass(frozen=True)
class Kind(Generic[S]):
    """What the declaration knows of one kind of site.

    Attributes:
        name: The value of ``kind``, and the name of the kind's module in every layer.
        site: The model of such a site.
        rules: What must hold for one such site beyond its shape, by name.
        between: What must hold between all such sites of a declaration, by name.
        forms: The forms that no other kind has.
    """

    name: str
    site: type[S]
    rules: Mapping[str, SiteRule[S]]
    between: Mapping[str, KindRule[S]] = field(default_factory=dict)
    forms: tuple[Form, ...] = ()

    @property
    def on_this_machine(self) -> bool:
        """Whether its machines are where Pulumi runs and reach 127.0.0.1 there."""
        return self.site.on_this_machine
