"""What sites and groups of every kind have in common, and what a kind is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

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
from vdc.declaration.forms import DURATION, SIZE, Quantity


class Size(Model):
    """What one machine has."""

    cpu: Decimal = declared(
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
    """Machines made from one template."""

    count: int = declared("How many machines.", change="in-place", example=3, ge=0, le=10_000)
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


class Site(Model):
    """A place with machines. Each kind has a model of its own that says its ``kind``."""

    kind: str = declared("What the site is made of; chooses its other keys.")
    groups: Mapping[Name, Group] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )


SiteRule = Callable[[str, Site], Findings]
"""A rule of one kind: takes the site's name and the site."""


@dataclass(frozen=True)
class Kind:
    """What the declaration knows of one kind of site.

    Attributes:
        name: The value of ``kind``, and the name of the kind's module in every layer.
        site: The model of such a site.
        rules: What must hold for one such site beyond its shape, by name.
    """

    name: str
    site: type[Site]
    rules: Mapping[str, SiteRule]
