"""One pool on hardware: servers, containers, a virtual machine, a machine taken in over SSH."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from e2e.checkout import Checkout, checkout
from labs.images import machine_image, sha256
from labs.libvirt import Lab, libvirt_lab
from labs.libvirt.domains import Domain
from labs.libvirt.host import BRIDGE
from vdc.home import Home
from vdc.library import load
from vdc.provider.agent import architecture
from vdc.provider.release import wheelhouse

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

# Outside of what the lab's DHCP gives away.
ADDRESSES = ["10.88.0.201", "10.88.0.202", "10.88.0.203"]
SERVER = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}
ROOMY = {"cpu": 2, "memory": "3GiB", "disk": "4GiB"}
# Too small for a Spark worker, which emulation would make wait for.
SMALL = {"cpu": 1, "memory": "768MiB", "disk": "4GiB"}
DRAIN = {"deadline": "60s"}
WORKERS = ["dc-metal-workers-m1", "dc-rack-boxes-0", "dc-rack-boxes-1", "dc-rack-vms-0"]


@pytest.fixture(scope="module")
def wheels() -> Path:
    """What an administrator has brought along: Spark, and what pip wants to look into it."""
    software = load().get("spark").artifacts[0]
    folder = Home.of_user().cache / "labs" / f"software-{software.sha256[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            part = folder.with_suffix(".part")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", part]
            subprocess.run([*pip, software.pypi, "setuptools", "wheel", "packaging"], check=True)
            part.rename(folder)
    return folder


@pytest.fixture(scope="module")
def lab(wheels: Path) -> Iterator[Lab]:  # noqa: ARG001 - fetched while there is a way out
    """This process and what it starts live on this side of the lab's network."""
    wheelhouse(architecture(), Home.of_user())
    with libvirt_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture(scope="module")
def metal(lab: Lab) -> Domain:
    """A machine that nobody of ours has made."""
    metal = Domain("metal", lab.a, memory_mib=3 * 1024)
    metal.start_container(machine_image())
    return metal


@pytest.fixture(scope="module")
def machine(lab: Lab, metal: Domain, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a declaration says of that machine, and the key to it."""
    key = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
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


@pytest.fixture(scope="module")
def stack(lab: Lab, metal: Domain, machine: dict[str, object]) -> Iterator[Checkout]:
    """All of it, made by one command; destroyed with nothing left."""
    held, traces = lab.held(), _traces(metal)
    with checkout("dc", patience_s=900) as made:
        made.declaration.write_text(yaml.safe_dump(_document(lab, machine), sort_keys=False))
        print(f"up: {made.vdc('up', '--yes').seconds:.0f} s")
        yield made
        made.vdc("destroy", "--yes")
        assert made.left() == []
        assert lab.held() == held
        assert _traces(metal) ^ traces == set()


def _traces(metal: Domain) -> set[str]:
    """A machine's users, units, programs that run, and files but what its system itself writes."""
    own = ("/var/log", "/var/cache", "/var/lib/systemd", "/var/lib/dhcp", "/var/tmp", "/tmp")
    passed_over = " -o ".join(f"-path {folder}" for folder in own)
    script = f"""
        find / -xdev \\( {passed_over} -o -name __pycache__ \\) -prune -o -print
        find /etc -type f ! -name '*-' -exec sha256sum {{}} +
        cat /etc/passwd /etc/group
        systemctl list-unit-files --no-legend --no-pager
        systemctl list-units --all --plain --no-legend --no-pager 'vdc*'
        readlink /proc/[0-9]*/exe | grep ^/var/lib/vdc/ || :
    """
    return set(metal.run("sh", "-ec", script).splitlines())


def _document(lab: Lab, machine: dict[str, object]) -> dict[str, object]:
    image = machine_image()
    return {
        "name": "dc",
        "control": {
            "site": "rack",
            "servers": len(ADDRESSES),
            "addresses": ADDRESSES,
            "size": SERVER,
        },
        "sites": {
            "rack": {
                "kind": "libvirt",
                "hosts": {
                    "a": {"uri": lab.a.lxc, "identity": lab.a.identity},
                    "b": {"uri": lab.b.lxc, "identity": lab.b.identity},
                    "emulator": {"uri": lab.b.qemu},
                },
                "network": {"bridge": BRIDGE},
                "machine": "lxc",
                "os": _debian(image.root),
                "groups": {
                    "boxes": {"count": 2, "size": ROOMY, "drain": DRAIN},
                    "vms": {"count": 1, "size": SMALL, "drain": DRAIN, "machine": "qemu",
                            "os": _debian(image.disk)},
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


def test_one_pool_of_two_sites(stack: Checkout) -> None:
    assert sorted(stack.ready()) == WORKERS
    shown = json.loads(stack.vdc("pool", "--output", "json").stdout)
    assert {group["site"] for group in shown["groups"]} == {"metal", "rack"}
    assert stack.profile.address == f"https://{ADDRESSES[0]}:4650"


def test_a_second_up_changes_nothing(stack: Checkout) -> None:
    done = stack.vdc("up", "--yes")
    assert "unchanged" in done.stdout
    assert "changed\n" not in done.stdout.replace("unchanged\n", "")


@pytest.mark.usefixtures("stack")
def test_servers_are_spread_over_the_hosts(lab: Lab) -> None:
    carried = [
        sum("servers" in name for name in host.virsh(host.lxc, "list", "--name").split())
        for host in lab.hosts
    ]
    assert sorted(carried) == [1, 2]


def test_spark_computes_over_machines_of_every_sort(stack: Checkout, wheels: Path) -> None:
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    bring = replace(stack, environment={**stack.environment, **offline})
    bring.vdc("supply", "spark")
    stack.vdc("install", "spark", "--name", "pi", "--set", "workers=3")
    said = stack.vdc("submit", "pi", "example:pi", "--", "20").stdout
    assert re.search(r"Pi is roughly 3\.1", said), said
    with stack.pool() as pool:
        working = {node.name for node in pool.nodes() if node.allocated.memory_mib}
    assert "dc-metal-workers-m1" in working
    assert working & {"dc-rack-boxes-0", "dc-rack-boxes-1"}
