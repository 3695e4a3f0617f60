"""Faults that are made in the lab, as a user of ``vdc up`` meets them.

Each ends in one line that names node, host and stage; the rest of the group goes on, nothing is
orphaned, and the next run, with the fault gone, converges.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from e2e.checkout import Checkout, checkout
from e2e.eventually import eventually
from labs.faults import silent_service, wrong_clock
from labs.images import machine_image, sha256, variant
from labs.lab import SIDE
from labs.libvirt import Host, Lab, libvirt_lab
from labs.libvirt.host import BRIDGE

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

SIZE = {"cpu": 1, "memory": "1GiB", "disk": "2GiB"}
# What a node gets to become ready is 300 s of it.
_RUN_S = 900
NODES = [f"shot-rack-good-{index}" for index in range(4)]


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab that a test may leave in any state.

    This process and what it starts live on this side of its network.
    """
    with libvirt_lab() as lab, lab.network.entered():
        yield lab


@contextmanager
def stack(lab: Lab, name: str) -> Iterator[Checkout]:
    """A stack that leaves nothing on the hosts when it is destroyed."""
    with checkout(name) as made:
        yield made
        made.vdc("destroy", "--yes")
        assert [left for host in lab.hosts for left in volumes_and_domains(host, name)] == []


def image(path: Any = None, wanted: str = "") -> Mapping[str, Any]:
    """An operating system of this image, the lab's own unless told otherwise."""
    root = path or machine_image().root
    return {
        "name": "debian",
        "version": "12",
        "image": {"url": str(root), "sha256": wanted or sha256(root)},
    }


def declare(made: Checkout, hosts: Mapping[str, str], groups: Mapping[str, Any]) -> None:
    """A server here, and groups of containers on hosts by URI."""
    each = {"size": SIZE, "drain": {"deadline": "60s"}}
    document = {
        "name": made.stack,
        "control": {"site": "here", "addresses": [SIDE]},
        "sites": {
            "here": {"kind": "local"},
            "rack": {
                "kind": "libvirt",
                "hosts": {name: {"uri": uri} for name, uri in hosts.items()},
                "network": {"bridge": BRIDGE},
                "machine": "lxc",
                "os": dict(image()),
                "groups": {name: {**each, **group} for name, group in groups.items()},
            },
        },
    }
    made.declaration.write_text(yaml.safe_dump(document, sort_keys=False))


def uris(lab: Lab) -> dict[str, str]:
    """Both hosts."""
    return {host.name: host.lxc for host in lab.hosts}


def up(made: Checkout) -> subprocess.Popen[bytes]:
    """Begins ``vdc up``."""
    return made.begin("up", "--yes")


def ended(run: subprocess.Popen[bytes], made: Checkout, code: int) -> str:
    """What a run has said that ended with this code."""
    run.wait(_RUN_S)
    text = made.last_words.read_text()
    assert run.returncode == code, text
    return text


def lines(text: str, node: str) -> list[str]:
    """What was said of a node's failure."""
    return [line.strip() for line in text.splitlines() if f"node {node}:" in line]


def domains(host: Host, name: str) -> list[str]:
    """A stack's domains on a host."""
    listed = host.virsh(host.lxc, "list", "--all", "--name").split()
    return sorted(domain for domain in listed if domain.startswith(f"{name}-"))


def volumes_and_domains(host: Host, name: str) -> list[str]:
    """Whatever of a stack is on a host."""
    pools = host.virsh(host.lxc, "pool-list", "--all", "--name").split()
    return [*domains(host, name), *(pool for pool in pools if pool != "default")]


def test_groups_that_cannot_work_hold_up_none_that_can(lab: Lab, tmp_path: Any) -> None:
    root = machine_image().root
    silent = variant(root, silent_service("vdc-agent"), tmp_path / "silent")
    clock = variant(root, wrong_clock("-400d"), tmp_path / "clock")
    with stack(lab, "ill") as made:
        good = {"good": {"count": 2}}
        ill = {
            "silent": {"count": 1, "os": image(silent)},
            "clock": {"count": 1, "os": image(clock)},
            "sum": {"count": 1, "os": image(wanted="0" * 64)},
        }
        declare(made, uris(lab), {**good, **ill})
        said = ended(up(made), made, 1)
        print(said)
        assert made.ready() == ["ill-rack-good-0", "ill-rack-good-1"]
        (line,) = lines(said, "ill-rack-sum-0")
        assert "base image" in line
        assert "host " in line
        assert "SHA-256" in line
        for group in ("silent", "clock"):
            (line,) = lines(said, f"ill-rack-{group}-0")
            assert "not ready after" in line
            assert "host " in line
            assert "stage " in line

        declare(made, uris(lab), {**good, **{name: {"count": 1} for name in ill}})
        ended(up(made), made, 0)
        nodes = [f"ill-rack-{group}-0" for group in sorted(ill)]
        assert made.ready() == sorted(["ill-rack-good-0", "ill-rack-good-1", *nodes])
        assert sorted(domains(lab.a, "ill") + domains(lab.b, "ill")) == made.ready()


def test_a_full_disk_costs_the_nodes_of_its_host_alone(lab: Lab) -> None:
    with lab.a.small_storage(mib=64) as resize, stack(lab, "full") as made:
        declare(made, uris(lab), {"good": {"count": 2}})
        said = ended(up(made), made, 1)
        print(said)
        (node,) = made.ready()
        assert domains(lab.b, "full") == [node]
        (line,) = (line for line in said.splitlines() if "No space left" in line)
        assert "host a " in line
        assert "base image" in line
        resize(6000)
        ended(up(made), made, 0)
        assert len(made.ready()) == 2
        assert len(domains(lab.a, "full")) == 1


def test_a_host_that_is_not_reached_costs_its_own_nodes_alone(lab: Lab) -> None:
    with stack(lab, "away") as made:
        hosts = {"a": lab.a.lxc, "b": lab.b.over_ssh("lxc")}
        declare(made, hosts, {"good": {"count": 2}})
        ended(up(made), made, 0)
        before = made.ready()
        lab.b.unplug()
        try:
            declare(made, hosts, {"good": {"count": 3}})
            said = ended(up(made), made, 1)
            print(said)
            (lost,) = domains(lab.b, "away")
            (line,) = lines(said, lost)
            assert re.search(r": host b \(.+\): connect: it cannot be reached: ", line)
            assert len(domains(lab.a, "away")) == 2
        finally:
            lab.b.plug()
        ended(up(made), made, 0)
        assert set(before) < set(made.ready())
        assert len(made.ready()) == 3


def test_a_libvirtd_that_is_killed_in_the_middle_costs_one_run(lab: Lab) -> None:
    with stack(lab, "shot") as made:
        declare(made, uris(lab), {"good": {"count": 4}})
        run = up(made)
        eventually("a first container", lambda: domains(lab.b, "shot"), 120)
        lab.b.kill_libvirtd()
        try:
            said = ended(run, made, 1)
        finally:
            lab.b.start_libvirtd()
        print(said)
        ready = set(made.ready())
        told = {node: lines(said, node) for node in NODES}
        assert set(domains(lab.a, "shot")) <= ready
        assert {node for node in NODES if told[node]} >= set(NODES) - ready
        for line in itertools.chain(*told.values()):
            assert re.search(r": host b \(.+\): (connect|disks|definition|start|asked): ", line)
        assert all(len(said_of) <= 1 for said_of in told.values())
        assert "Traceback" not in said
        ended(up(made), made, 0)
        assert len(made.ready()) == 4
        assert domains(lab.a, "shot") + domains(lab.b, "shot")
