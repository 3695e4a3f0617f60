"""What sites in a cloud have in common: machines that somebody else's API makes, for money."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import Field

from vdc.declaration.fields import Model, Name, Price, Written, declared
from vdc.declaration.forms import Form
from vdc.declaration.keys import PublicKey
from vdc.declaration.machine import Surrounded
from vdc.declaration.os import SHA256, SystemVersion
from vdc.declaration.site import Group

MOST_MACHINES = 10_000


def _source(text: str) -> str:
    return str(ip_network(text))


def _source_hint(text: str) -> str | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if "/" not in text:
        return f"write {network}"
    return f"write the network: {network}"


SOURCE = Form(
    name="source",
    noun="a network to be reached from",
    rule="its first address and the length of its prefix",
    example="10.0.0.0/8",
    pattern=r"^[0-9A-Fa-f:.]+/[0-9]{1,3}$",
    value=_source,
    hint=_source_hint,
)
DATE = Form(
    name="date",
    noun="a date",
    rule="year, month and day, in quotes",
    example="2027-12-31",
    pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    value=lambda text: date.fromisoformat(text).isoformat(),
)
BUNDLE = Form(
    name="bundle-url",
    noun="where machines fetch an archive",
    rule="an http or https address that they reach",
    example="https://files.example.org/vdc-server-0.1.0-amd64.tar.gz",
    pattern=r"^https?://[^\s/@]+/\S+$",
)
FORMS = (SOURCE, DATE, BUNDLE)


class Access(Model):
    """How people reach machines beside the pool, to look after them."""

    key: PublicKey = declared(
        "The public key of who may sign in by SSH, as the image's own user.", change="replace"
    )
    sources: tuple[Annotated[str, Written(SOURCE)], ...] = declared(
        "The networks from which SSH is let in; empty: from none.",
        default=(),
        change="in-place",
        alias="from",
    )


class Bundle(Model):
    """The software of control servers, as ``make release`` makes it; its sum is held to it."""

    url: Annotated[str, Written(BUNDLE)] = declared(
        "Where control servers fetch it, once each.", change="replace"
    )
    sha256: Annotated[str, Written(SHA256)] = declared(
        "The archive's SHA-256 sum; what has another one is not installed.", change="replace"
    )


class Bounds(Model):
    """How many machines, where that may change without another declaration."""

    min: int = declared(
        "The fewest machines, and how many there are at first.",
        change="in-place", example=2, ge=0, le=MOST_MACHINES,
    )  # fmt: skip
    max: int = declared("The most machines.", change="in-place", example=10, ge=0, le=MOST_MACHINES)


Count = Annotated[int, Field(ge=0, le=MOST_MACHINES, examples=[3])] | Bounds


class CloudGroup(Group):
    """Machines made from one template, as many as asked for."""

    count: Count = declared(
        "How many machines: a number, or min: and max: between which it may change.",
        change="in-place",
        example=3,
    )
    os: SystemVersion | None = declared(
        "What runs on them, where that differs from the site's.", default=None, change="replace"
    )

    @property
    def machine_count(self) -> int:
        """See :class:`~vdc.declaration.site.Group`."""
        return self.count.min if isinstance(self.count, Bounds) else self.count

    @property
    def most_machines(self) -> int:
        """See :class:`~vdc.declaration.site.Group`."""
        return self.count.max if isinstance(self.count, Bounds) else self.count


class CloudSite(Surrounded):
    """A site in a cloud. Credentials are no part of it: each cloud's own rules find them."""

    os: SystemVersion = declared(
        "What the machines' image holds.",
        change="replace",
        example={"name": "debian", "version": "12"},
    )
    access: Access | None = declared(
        "How people reach machines by SSH; left out: not at all.", default=None, change="replace"
    )
    egress: Literal["nat", "public", "existing"] = declared(
        "How machines reach the outside: by address translation that is made for them, by a "
        "public address each, or by what their network has already.",
        default="existing",
        change="replace",
    )
    egress_price: Price | None = declared(
        "Price of the way out for one hour, in the declaration's currency, whatever the number "
        "of machines.",
        default=None,
        change="in-place",
        example=0.05,
    )
    expires: Annotated[str, Written(DATE)] | None = declared(
        "The day after which nobody needs the site; a tag on everything that is made.",
        default=None,
        change="in-place",
    )
    bundle: Bundle | None = declared(
        "The software of control servers; work nodes have theirs from the pool.",
        default=None,
        change="replace",
    )
    groups: Mapping[Name, CloudGroup] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )

    @property
    def standing_price(self) -> Decimal | None:
        """See :class:`~vdc.declaration.site.Site`."""
        return self.egress_price
