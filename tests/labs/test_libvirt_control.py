"""The control plane on libvirt hosts: servers with the pool service, made from one image."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import yaml

from e2e.checkout import Checkout, checkout
from labs.images import machine_image, sha256
from labs.libvirt import Lab, libvirt_lab
from labs.libvirt.host import BRIDGE
from vdc.home import Home
from vdc.provider.agent import architecture
from vdc.provider.release import wheelhouse

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

# Outside of what the lab's DHCP gives away.
ADDRESSES = ["10.88.0.201", "10.88.0.202", "10.88.0.203"]
SIZE = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """This process and what it starts live on this side of the lab's network."""
    wheelhouse(architecture(), Home.of_user())
    with libvirt_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Checkout]:
    """Three servers and a work node; destroyed with nothing left."""
    image = machine_image()
    with checkout("core", patience_s=900) as made:
        document = {
            "name": made.stack,
            "control": {
                "site": "lab",
                "servers": len(ADDRESSES),
                "addresses": ADDRESSES,
                "size": SIZE,
            },
            "sites": {
                "lab": {
                    "kind": "libvirt",
                    "hosts": {
                        host.name: {"uri": host.lxc, "identity": host.identity}
                        for host in lab.hosts
                    },
                    "network": {"bridge": BRIDGE},
                    "machine": "lxc",
                    "os": {
                        "name": "debian",
                        "version": "12",
                        "image": {"url": str(image.root), "sha256": sha256(image.root)},
                    },
                    "groups": {"workers": {"count": 1, "size": SIZE}},
                },
            },
        }
        made.declaration.write_text(yaml.safe_dump(document, sort_keys=False))
        made.vdc("up", "--yes")
        yield made
        made.vdc("destroy", "--yes")
        assert made.left() == []
        for host in lab.hosts:
            assert host.virsh(host.lxc, "list", "--all", "--name").split() == []


def test_servers_at_declared_addresses_are_one_pool_with_a_work_node(stack: Checkout) -> None:
    assert stack.ready() == ["core-lab-workers-0"]
    with stack.pool() as pool:
        assert [node.name for node in pool.nodes()] == ["core-lab-workers-0"]
    assert stack.profile.address == f"https://{ADDRESSES[0]}:4650"
    assert "unchanged" in stack.vdc("up", "--yes").stdout


@pytest.mark.usefixtures("stack")
def test_servers_are_spread_over_the_hosts(lab: Lab) -> None:
    carried = [
        sum("servers" in name for name in host.virsh(host.lxc, "list", "--name").split())
        for host in lab.hosts
    ]
    assert sorted(carried) == [1, 2]
