"""Two libvirt hosts in a whole data centre: ``vdc up`` with the control plane on this side."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.caller import calling
from e2e.checkout import Checkout, checkout
from e2e.eventually import eventually, settled
from labs.images import machine_image, sha256, variant
from labs.lab import SIDE
from labs.libvirt import Lab, libvirt_lab
from labs.libvirt.domains import Domain
from labs.libvirt.host import BRIDGE

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

SIZE = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}
PREFIX = "rack-lab-workers-"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """This process and what it starts live on this side of the lab's network."""
    with libvirt_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Checkout]:
    """A server here and two containers there; destroyed with nothing left."""
    before = lab.held()
    with checkout("rack", patience_s=600) as made:
        declare(made, lab, 2)
        made.vdc("up", "--yes")
        yield made
        made.vdc("destroy", "--yes")
        assert made.left() == []
        assert lab.held() == before


def declare(stack: Checkout, lab: Lab, count: int, image: Path | None = None) -> None:
    """Writes the declaration."""
    root = image or machine_image().root
    document = {
        "name": stack.stack,
        "control": {"site": "here", "addresses": [SIDE]},
        "sites": {
            "here": {"kind": "local"},
            "lab": {
                "kind": "libvirt",
                "hosts": {
                    host.name: {"uri": host.lxc, "identity": host.identity} for host in lab.hosts
                },
                "network": {"bridge": BRIDGE},
                "machine": "lxc",
                "os": {
                    "name": "debian",
                    "version": "12",
                    "image": {"url": str(root), "sha256": sha256(root)},
                },
                "groups": {"workers": {"count": count, "size": SIZE, "drain": {"deadline": "60s"}}},
            },
        },
    }
    stack.declaration.write_text(yaml.safe_dump(document, sort_keys=False))


def names(count: int) -> list[str]:
    """The group's first nodes."""
    return [f"{PREFIX}{index}" for index in range(count)]


def ids(stack: Checkout) -> dict[str, str]:
    """The scheduler's id of every node, and so whether it is still the same node."""
    with stack.scheduler() as scheduler:
        return {node["Name"]: node["ID"] for node in scheduler.get("/v1/nodes").json()}


def domains(lab: Lab) -> dict[str, str]:
    """Every domain with its host."""
    listed = ((host, host.virsh(host.lxc, "list", "--all", "--name")) for host in lab.hosts)
    return {name: host.name for host, text in listed for name in text.split()}


def test_machines_of_two_hosts_are_one_pool(stack: Checkout, lab: Lab) -> None:
    assert stack.ready() == names(2)
    assert sorted(domains(lab).values()) == ["a", "b"]
    assert "10 unchanged" in stack.vdc("up", "--yes").stdout


def test_no_key_of_a_node_is_anywhere_but_on_it(stack: Checkout, lab: Lab) -> None:
    state = stack.pulumi("stack", "export", "--show-secrets").stdout
    files = [path for path in stack.base.rglob("*") if path.is_file()]
    for name, where in domains(lab).items():
        node = Domain(name, next(host for host in lab.hosts if host.name == where))
        key = node.run("cat", "/var/lib/vdc/tls/key.pem").splitlines()[1]
        node.run("sync")  # and so the search finds the one place where it is
        (root,) = re.findall(r"file='([^']+root)'", node.host.virsh(node.host.lxc, "dumpxml", name))
        assert key not in state
        assert [path for path in files if key.encode() in path.read_bytes()] == []
        search = 'find "$0" /etc/libvirt /var/log/libvirt -type f -exec grep -laFe "$1" {} +'
        for host in lab.hosts:
            found = host.run("sh", "-c", f"{search} || :", str(host.images), key).split()
            assert found == ([root] if host == node.host else [])


def test_a_domain_that_is_destroyed_by_hand_is_restored_alone(stack: Checkout, lab: Lab) -> None:
    before, where = ids(stack), domains(lab)
    lost, kept = names(2)
    host = next(host for host in lab.hosts if host.name == where[lost])
    host.virsh(host.lxc, "destroy", lost)
    host.virsh(host.lxc, "undefine", lost)
    shown = stack.vdc("preview", "--refresh", "--diff").stdout
    assert lost in shown
    assert f"- {kept}" not in shown
    stack.vdc("up", "--yes", "--refresh")
    assert settled(stack.ready, names(2)) == names(2)
    assert ids(stack)[kept] == before[kept]
    assert ids(stack)[lost] != before[lost]


def test_a_reboot_leaves_the_same_node(stack: Checkout, lab: Lab) -> None:
    name, before = names(1)[0], ids(stack)
    host = next(host for host in lab.hosts if host.name == domains(lab)[name])
    host.virsh(host.lxc, "destroy", name)
    eventually("the pool notices", lambda: name not in stack.ready())
    host.virsh(host.lxc, "start", name)
    eventually("it is back", lambda: stack.ready() == names(2), 180)
    assert ids(stack) == before


def test_work_answers_while_a_group_shrinks_and_is_made_from_another_image(
    stack: Checkout, lab: Lab, tmp_path: Path
) -> None:
    declare(stack, lab, 3)
    stack.vdc("up", "--yes")
    with stack.pool() as pool:
        pool.install("hello", "web", {"count": 3})
    before = ids(stack)
    with calling(stack, "web-http") as caller:
        declare(stack, lab, 2)
        assert f"- {names(3)[2]}" in stack.vdc("preview", "--diff").stdout
        stack.vdc("up", "--yes")
        assert ids(stack) == {name: before[name] for name in names(2)}
        newer = variant(machine_image().root, {"/etc/motd": "newer\n"}, tmp_path / "newer.qcow2")
        declare(stack, lab, 2, newer)
        stack.vdc("up", "--yes")
    print(f"{caller.answered} requests answered, {caller.refused} connections refused")
    assert not caller.failures
    assert stack.ready() == names(2)
    assert not set(ids(stack).values()) & set(before.values()), "both are other machines"
