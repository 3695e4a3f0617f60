"""A stack with a site in a lab's OpenStack, as a user has it who has only a ``clouds.yaml``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import yaml
from openstack.connection import Connection
from openstack.network.v2.port import Port

from e2e.checkout import Checkout, checkout
from labs.boots import Boots
from labs.lab import SIDE
from labs.openstack.cloud import CLOUD, EXTERNAL, IMAGE, REGION, belongings, member
from labs.openstack.lab import Lab
from labs.standin import plugins

SITE = "cloud"
GROUP = "workers"
SIZE = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}
CIDR = "10.60.0.0/24"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@desk"
# A node is fetched, boots and joins in less than a minute, several of them in more.
_PATIENCE_S = 900.0


@dataclass(frozen=True)
class Standing:
    """A lab with a user in it, and what they have made there.

    Attributes:
        lab: Where this thread is.
        boots: The nodes of its servers.
        stack: The user's checkout.
        api: The API as they reach it.
    """

    lab: Lab
    boots: Boots
    stack: Checkout
    api: Connection

    def declare(self, *, control: Mapping[str, Any] | None = None, **groups: Any) -> None:
        """Writes the declaration: servers on this side unless told otherwise, and groups."""
        self.declare_site({}, control=control, **groups)

    def declare_site(
        self, site: Mapping[str, Any], *, control: Mapping[str, Any] | None = None, **groups: Any
    ) -> None:
        """Likewise, with more of the site in the cloud."""
        here = {} if control else {"here": {"kind": "local"}}
        common = {"size": SIZE, "drain": {"deadline": "60s"}}
        cloud = {
            "kind": "openstack",
            "cloud": CLOUD,
            "region": REGION,
            "network": {"cidr": CIDR, "router": EXTERNAL},
            "egress": "nat",
            "image": IMAGE,
            "os": {"name": "debian", "version": "12"},
            **site,
            "groups": {name: {**common, **group} for name, group in groups.items()},
        }
        document = {
            "name": self.stack.stack,
            "control": control or {"site": "here", "addresses": [SIDE]},
            "sites": {**here, SITE: cloud},
        }
        self.stack.declaration.write_text(yaml.safe_dump(document, sort_keys=False))

    def names(self, count: int, group: str = GROUP) -> list[str]:
        """A group's first nodes."""
        return [f"{self.stack.stack}-{SITE}-{group}-{index}" for index in range(count)]

    def servers(self) -> dict[str, str]:
        """The id of every server by its name."""
        return {server.name: server.id for server in self.api.compute.servers()}

    def launched(self) -> float:
        """When the last server was started, as the cloud says, in seconds of the epoch."""
        times = (server.launched_at for server in self.api.compute.servers())
        return max(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in times)

    def ports(self) -> list[Port]:
        """The port of every server, whichever zone its owner is named after."""
        every: Iterator[Port] = self.api.network.ports()
        return [port for port in every if port.device_owner.startswith("compute:")]

    def ids(self) -> dict[str, str]:
        """The scheduler's id of every node, and so whether it is still the same node."""
        with self.stack.scheduler() as scheduler:
            return {node["Name"]: node["ID"] for node in scheduler.get("/v1/nodes").json()}


@contextmanager
def standing(lab: Lab, name: str) -> Iterator[Standing]:
    """A stack in a lab; what it has made is destroyed at the end, with nothing left."""
    with (
        lab.network.entered(),
        lab.boots() as boots,
        closing(member(lab.clouds)) as api,
        checkout(name, patience_s=_PATIENCE_S) as made,
    ):
        path = os.pathsep.join((str(plugins(made.base / "plugins")), made.environment["PATH"]))
        own = {"PATH": path, "OS_CLIENT_CONFIG_FILE": str(lab.clouds)}
        before = belongings(api)
        stack = replace(made, environment={**made.environment, **own})
        yield Standing(lab, boots, stack, api)
        stack.vdc("destroy", "--yes")
        assert stack.left() == []
        assert sorted(belongings(api)) == sorted(before)
