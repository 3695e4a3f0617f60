"""One region of an OpenStack through openstacksdk, and what every type says to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from labs.standin.carried import Reference, Type, Values, wait
from labs.standin.checking import Problem

_LIMIT_S = 600.0
_TEXT, _TAG, _TAGS = 255, 60, 50

# Properties that hold the id of something.
_IDS = {
    "networkId": "network",
    "externalNetworkId": "network",
    "subnetId": "subnet",
    "routerId": "router",
    "securityGroupId": "security group",
    "remoteGroupId": "security group",
    "portId": "port",
    "imageId": "image",
    "flavorId": "flavor",
}


@dataclass(frozen=True)
class Api:
    """A connection.

    Attributes:
        cloud: Of openstacksdk, with its own rules for ``clouds.yaml`` and the environment.
        region: Name of the region.
        stopping: See :class:`labs.standin.carried.Cloud`.
    """

    cloud: Connection
    region: str
    stopping: threading.Event

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Asks until done; see :func:`labs.standin.carried.wait`."""
        wait(self.stopping, done, what, _LIMIT_S)


def found(call: Callable[[], Any]) -> Any:
    """What a call gives; None when there is no such thing."""
    try:
        return call()
    except NotFoundException:
        return None


def exists(api: Api, reference: Reference) -> bool:
    """Whether OpenStack knows what is referred to."""
    cloud, key = api.cloud, reference.key
    ask: dict[str, Callable[[], Any]] = {
        "network": lambda: cloud.network.get_network(key),
        "subnet": lambda: cloud.network.get_subnet(key),
        "router": lambda: cloud.network.get_router(key),
        "security group": lambda: cloud.network.get_security_group(key),
        "port": lambda: cloud.network.get_port(key),
        "image": lambda: cloud.image.get_image(key),
        "flavor": lambda: cloud.compute.get_flavor(key),
        "key pair": lambda: cloud.compute.get_keypair(key),
    }
    return found(ask[reference.kind]) is not None


class OpenStackType(Type):
    """A type whose inputs are attributes of one thing of openstacksdk's."""

    attributes: ClassVar[Mapping[str, str]]
    """By property, the attribute; both ways."""
    also: ClassVar[frozenset[str]] = frozenset()
    """Properties that are carried out in other ways."""
    choices: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Values that the API knows, by property."""
    named = "name"

    def asked(self, inputs: Values) -> dict[str, Any]:
        """The attributes that inputs stand for."""
        return {a: inputs[p] for p, a in self.attributes.items() if inputs.get(p) is not None}

    def answered(self, api: Api, thing: Any) -> dict[str, Any]:
        """Properties out of what the API shows."""
        shown = {p: getattr(thing, a) for p, a in self.attributes.items()}
        return {**{p: v for p, v in shown.items() if v is not None}, "region": api.region}

    def problems(self, inputs: Values) -> Iterable[Problem]:
        for name, value in inputs.items():
            known = name in self.attributes or name in self.also or name == "region"
            if not known and not name.startswith("__"):
                yield Problem(name, "is declared by the SDK; the stand-in does not carry it out")
            if name in ("name", "description") and isinstance(value, str) and len(value) > _TEXT:
                text = f"has {len(value)} characters, OpenStack takes no more than {_TEXT}"
                yield Problem(name, text)
        for name, values in self.choices.items():
            yield from _chosen(inputs.get(name), values, name)
        yield from _tags(inputs.get("tags"))

    def references(self, inputs: Values) -> Iterator[Reference]:
        for name, value in inputs.items():
            if name in _IDS and isinstance(value, str):
                yield Reference(name, _IDS[name], value)


def _chosen(value: Any, values: tuple[Any, ...], path: str) -> Iterator[Problem]:
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _chosen(entry, values, f"{path}[{index}]")
    elif isinstance(value, (str, int)) and value not in values:
        yield Problem(path, f"{value!r} is not one of {', '.join(map(str, values[:12]))}")


def _tags(tags: Any) -> Iterator[Problem]:
    if not isinstance(tags, list):
        return
    if len(tags) > _TAGS:
        yield Problem("tags", f"are {len(tags)}, OpenStack takes no more than {_TAGS}")
    for index, tag in enumerate(tags):
        if isinstance(tag, str) and not 0 < len(tag) <= _TAG:
            yield Problem(f"tags[{index}]", f"has {len(tag)} characters, OpenStack takes 1 to 60")
        elif isinstance(tag, str) and "," in tag:
            yield Problem(f"tags[{index}]", "has a comma, which OpenStack takes in no tag")
