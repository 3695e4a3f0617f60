"""One pool of containers, a virtual machine and a machine taken in over SSH; Spark over them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.checkout import Checkout, checkout
from labs.images import machine_image, sha256
from labs.libvirt import Lab, libvirt_lab
from labs.libvirt.domains import Domain
from labs.libvirt.host import BRIDGE
from labs.libvirt.lab import SIDE

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

ROOMY = {"cpu": 2, "memory": "3GiB", "disk": "4GiB"}
# Too small for a Spark worker, which emulation would make wait for.
SMALL = {"cpu": 1, "memory": "768MiB", "disk": "4GiB"}
DRAIN = {"deadline": "60s"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """This process and what it starts live on this side of the lab's network."""
    with libvirt_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture(scope="module")
def machine(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A machine that nobody of ours has made: what a declaration says of it, and the key to it."""
    key = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    metal = Domain("metal", lab.a, memory_mib=3 * 1024)
    metal.start_container(machine_image())
    address = metal.address(lab)
    public = key.with_suffix(".pub").read_text().strip()
    put = 'mkdir -p /root/.ssh && echo "$0" >/root/.ssh/authorized_keys'
    metal.run("sh", "-c", put, public)
    host_key = metal.run("cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()
    return {
        "key": str(key),
        "machines": {
            "m1": {"address": address, "user": "root", "host_key": " ".join(host_key[:2])}
        },
    }


@pytest.fixture
def stack(lab: Lab, machine: dict[str, object]) -> Iterator[Checkout]:
    """A declaration of all of it; nothing is made yet."""
    with checkout("dc", patience_s=900) as made:
        made.declaration.write_text(yaml.safe_dump(_document(lab, machine), sort_keys=False))
        yield made


def _document(lab: Lab, machine: dict[str, object]) -> dict[str, object]:
    image = machine_image()
    return {
        "name": "dc",
        "control": {"site": "here", "addresses": [SIDE]},
        "sites": {
            "here": {"kind": "local"},
            "rack": {
                "kind": "libvirt",
                "hosts": {
                    "a": {"uri": lab.a.lxc, "identity": lab.a.identity},
                    "b": {"uri": lab.b.lxc, "identity": lab.b.identity},
                    "emulator": {"uri": lab.b.qemu},
                },
                "network": {"bridge": BRIDGE},
                "os": _debian(image.disk),
                "groups": {
                    "boxes": {"count": 2, "size": ROOMY, "drain": DRAIN, "machine": "lxc",
                              "os": _debian(image.root)},
                    "vms": {"count": 1, "size": SMALL, "drain": DRAIN, "machine": "qemu"},
                },
            },
            "metal": {
                "kind": "ssh",
                **machine,
                "groups": {"workers": {"machines": ["m1"], "size": ROOMY, "drain": DRAIN}},
            },
        },
    }  # fmt: skip


def _debian(image: Path) -> dict[str, object]:
    return {
        "name": "debian",
        "version": "12",
        "image": {"url": str(image), "sha256": sha256(image)},
    }


def test_spark_computes_over_machines_of_every_sort(stack: Checkout) -> None:
    made = stack.vdc("up", "--yes")
    print(f"up: {made.seconds:.0f} s")
    assert sorted(stack.ready()) == [
        "dc-metal-workers-m1", "dc-rack-boxes-0", "dc-rack-boxes-1", "dc-rack-vms-0",
    ]  # fmt: skip
    shown = json.loads(stack.vdc("pool", "--output", "json").stdout)
    assert {group["site"] for group in shown["groups"]} == {"metal", "rack"}

    stack.vdc("install", "spark", "--name", "pi", "--set", "workers=3")
    said = stack.vdc("submit", "pi", "example:pi", "--", "20").stdout
    assert re.search(r"Pi is roughly 3\.1", said), said
    with stack.scheduler() as scheduler:
        allocations = scheduler.get("/v1/allocations").json()
    nodes = {each["NodeName"] for each in allocations if each["TaskGroup"] == "worker"}
    assert "dc-metal-workers-m1" in nodes
    assert nodes & {"dc-rack-boxes-0", "dc-rack-boxes-1"}

    stack.vdc("destroy", "--yes")
    assert stack.left() == []
