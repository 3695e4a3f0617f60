"""What a site in an OpenStack cloud declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from vdc.declaration import cloud
from vdc.declaration.addresses import Network as NetworkAddress
from vdc.declaration.fields import Model, Name, Written, declared
from vdc.declaration.forms import Form

CLOUD = Form(
    name="cloud",
    noun="a cloud's name",
    rule="the name of its entry in clouds.yaml",
    example="mycloud",
    pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
    hint=lambda text: (
        "write the name of the entry in clouds.yaml, which holds the address and the credential"
        if "://" in text
        else None
    ),
)
RESOURCE = Form(
    name="openstack-resource",
    noun="what a cloud calls one of its resources",
    rule="its name or its ID, on one line",
    example="debian-12",
    pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,253}[^\s\x00-\x1f\x7f])?$",
)
FORMS = (CLOUD, RESOURCE)

Flavor = Annotated[str, Written(RESOURCE, example="m1.small")]
Zone = Annotated[str, Written(RESOURCE, example="nova")]
External = Annotated[str, Written(RESOURCE, example="public")]


class Network(Model):
    """What machines are connected to: an existing network, or one that is made for them."""

    name: Annotated[str, Written(RESOURCE, example="shared")] | None = declared(
        "An existing network with a subnet.", default=None, change="replace"
    )
    cidr: NetworkAddress | None = declared(
        "A network to make, with a router to the network named in router.",
        default=None,
        change="replace",
    )
    router: External | None = declared(
        "The external network: a network that is made gets a router to it, and floating "
        "addresses come from it.",
        default=None,
        change="replace",
    )


class OpenstackGroup(cloud.CloudGroup):
    """Servers made from one template."""

    flavor: Flavor | None = declared(
        "The flavour by name; left out: the smallest that has the size.",
        default=None,
        change="replace",
    )
    image: Annotated[str, Written(RESOURCE)] | None = declared(
        "The image by name or ID, where that differs from the site's.",
        default=None,
        change="replace",
    )
    boot: Literal["image", "volume"] = declared(
        "Whether their disk is the flavour's, or a volume of the size.",
        default="image",
        change="replace",
    )
    floating_ip: bool = declared(
        "Whether each has a floating address.", default=False, change="replace", example=True
    )
    zones: tuple[Zone, ...] = declared(
        "The availability zones over which new ones are spread, where they differ from the site's.",
        default=(),
        change="in-place",
    )
    spread: Literal["soft", "strict", "none"] = declared(
        "Whether they share a host of the cloud: rather not, never, or as it comes.",
        default="soft",
        change="replace",
    )


class OpenstackSite(cloud.CloudSite):
    """A site in an OpenStack cloud: every machine is a server."""

    kind: Literal["openstack"] = declared("In an OpenStack cloud, one server per machine.")
    cloud: Annotated[str, Written(CLOUD)] = declared(
        "The entry of clouds.yaml that says where the cloud is and who asks it."
    )
    region: Annotated[str, Written(RESOURCE, example="RegionOne")] | None = declared(
        "The region; left out: the one of the entry.", default=None
    )
    network: Network = declared(
        "What machines are connected to.", change="replace", example={"name": "shared"}
    )
    image: Annotated[str, Written(RESOURCE)] = declared(
        "The image that machines boot, by name or ID.", change="replace"
    )
    flavor: Flavor | None = declared(
        "The flavour of control servers; left out: the smallest that has their size.",
        default=None,
        change="replace",
    )
    zones: tuple[Zone, ...] = declared(
        "The availability zones over which new machines are spread; empty: where the cloud "
        "puts them.",
        default=(),
        change="in-place",
    )
    groups: Mapping[Name, OpenstackGroup] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )
