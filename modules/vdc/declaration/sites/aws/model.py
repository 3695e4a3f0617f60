"""What a site in a region of AWS declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vdc.declaration import cloud
from vdc.declaration.addresses import Network as NetworkAddress
from vdc.declaration.certificate import Certificate
from vdc.declaration.fields import Model, Name, Written, declared
from vdc.declaration.forms import Form


def _account_hint(text: str) -> str | None:
    digits = re.sub(r"[-\s]", "", text)
    return f"write {digits}" if ACCOUNT.fits(digits) else None


def _region_hint(text: str) -> str | None:
    return f"write {text[:-1]}, without the zone" if REGION.fits(text[:-1]) else None


def _zone_hint(text: str) -> str | None:
    return f"add its letter, such as {text}a" if REGION.fits(text) else None


ACCOUNT = Form(
    name="aws-account",
    noun="an account's number",
    rule="its twelve digits, in quotes",
    example="123456789012",
    pattern=r"^[0-9]{12}$",
    hint=_account_hint,
)
_REGION = r"[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]"
REGION = Form(
    name="aws-region",
    noun="a region",
    rule="its code",
    example="eu-central-1",
    pattern=rf"^{_REGION}$",
    hint=_region_hint,
)
ZONE = Form(
    name="aws-zone",
    noun="an availability zone",
    rule="its region's code and its letter, a to g",
    example="eu-central-1a",
    pattern=rf"^{_REGION}[a-g]$",
    hint=_zone_hint,
)
PROFILE = Form(
    name="aws-profile",
    noun="a profile's name",
    rule="its name in the configuration of AWS's tools",
    example="default",
    pattern=r"^(?!A[KS]IA[A-Z0-9]{16}$)[^\s\[\]/]{1,64}$",
    hint=lambda text: (
        "name the profile that holds the key: a declaration holds no secrets"
        if text.startswith(("AKIA", "ASIA"))
        else None
    ),
)


def _id(what: str, noun: str) -> Form:
    return Form(
        name=f"aws-{what}",
        noun=noun,
        rule=f"its ID, which begins with {what}-",
        example=f"{what}-0a1b2c3d4e5f60718",
        pattern=rf"^{what}-([0-9a-f]{{8}}|[0-9a-f]{{17}})$",
    )


VPC = _id("vpc", "a VPC")
SUBNET = _id("subnet", "a subnet")
AMI = _id("ami", "a machine image")
INSTANCE_TYPE = Form(
    name="aws-instance-type",
    noun="an instance type",
    rule="its family and size",
    example="m6i.large",
    pattern=r"^[a-z][a-z0-9-]{0,20}\.[a-z0-9-]{1,20}$",
)
FORMS = (ACCOUNT, REGION, ZONE, PROFILE, VPC, SUBNET, AMI, INSTANCE_TYPE)

Zone = Annotated[str, Written(ZONE)]
Ami = Annotated[str, Written(AMI)]
InstanceType = Annotated[str, Written(INSTANCE_TYPE)]


class Network(Model):
    """What machines are connected to: an existing VPC, or one that is made for them."""

    vpc: Annotated[str, Written(VPC)] | None = declared(
        "An existing VPC.", default=None, change="replace"
    )
    subnets: tuple[Annotated[str, Written(SUBNET)], ...] = declared(
        "The subnets of the existing VPC over which machines are spread.",
        default=(),
        change="replace",
    )
    cidr: NetworkAddress | None = declared(
        "A VPC to make, with a subnet in each of the site's zones.", default=None, change="replace"
    )


class Spot(Model):
    """Machines of the market that AWS may take back, beside some that it may not."""

    on_demand: int = declared(
        "How many machines are none of the market.",
        change="replace", example=1, ge=0, le=cloud.MOST_MACHINES,
    )  # fmt: skip


class AwsGroup(cloud.CloudGroup):
    """Instances of one Auto Scaling group."""

    instance_types: tuple[InstanceType, ...] = declared(
        "The instance types to choose from; empty: every one of today that has the size.",
        default=(),
        change="replace",
    )
    spot: Annotated[bool, Field(examples=[True])] | Spot = declared(
        "Whether they come from the market, where AWS may take them back: none, all, or all but "
        "on_demand.",
        default=False,
        change="replace",
        example=True,
    )
    zones: tuple[Zone, ...] = declared(
        "The availability zones over which they are spread, where not all of the site's.",
        default=(),
        change="replace",
    )
    image: Ami | None = declared(
        "The machine image, where that differs from the site's.", default=None, change="replace"
    )

    @property
    def on_demand(self) -> int:
        """How many machines are none of the market where others are."""
        return self.spot.on_demand if isinstance(self.spot, Spot) else 0

    @property
    def longest_member(self) -> str:
        """See :class:`~vdc.declaration.site.Group`; instances are named by their IDs."""
        return "i-0123456789abcdef0"


class AwsSite(cloud.CloudSite):
    """A site in one region of AWS: groups are Auto Scaling groups, servers single instances."""

    names_machines: ClassVar[bool] = False

    kind: Literal["aws"] = declared("In a region of AWS, one Auto Scaling group per group.")
    account: Annotated[str, Written(ACCOUNT)] = declared(
        "The account that owns the machines; what is signed in to another is refused."
    )
    region: Annotated[str, Written(REGION)] = declared("The region.")
    profile: Annotated[str, Written(PROFILE)] | None = declared(
        "The profile of AWS's tools that holds the credential; left out: as these find one.",
        default=None,
        change="in-place",
    )
    network: Network = declared(
        "What machines are connected to.", change="replace", example={"cidr": "10.70.0.0/16"}
    )
    zones: tuple[Zone, ...] = declared(
        "The availability zones in which the VPC that is made has subnets.",
        default=(),
        change="replace",
    )
    image: Ami | None = declared(
        "The machine image; left out: the latest that the system's publisher names, so that an "
        "update may replace machines when there is a new one.",
        default=None,
        change="replace",
    )
    instance_type: InstanceType | None = declared(
        "The instance type of control servers.", default=None, change="replace"
    )
    identity: Certificate = declared(
        "The certificate with which AWS signs the identity of the region's instances (RSA-2048), "
        "as its documentation publishes it.",
        change="in-place",
    )
    groups: Mapping[Name, AwsGroup] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )
