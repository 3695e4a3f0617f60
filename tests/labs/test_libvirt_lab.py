"""The lab itself, by plain virsh: what boots in it, what it can break, what it leaves."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from labs import cgroups
from labs.faults import silent_service, wrong_clock
from labs.images import machine_image, variant
from labs.libvirt import Lab, libvirt_lab
from labs.libvirt.domains import Domain
from nomad_lab import wait_for
from vdc.provider.processes import belonging_to

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]


@pytest.fixture(scope="module")
def lab():
    with libvirt_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def nodes(lab):
    """A container on each host, booted at the same time."""
    nodes = [Domain(f"node-{host.name}", host) for host in lab.hosts]
    for node in nodes:
        node.start_container(machine_image())
    for node in nodes:
        node.address(lab)
    return nodes


def remains(lab: Lab) -> list[str]:
    """Whatever of a lab is still on this machine."""
    names = {lab.network.name, *(host.network.name for host in lab.hosts)}
    loops = subprocess.run(["losetup", "--list", "--raw"], capture_output=True, text=True).stdout
    return [
        *map(str, belonging_to(lab.folder)),
        *(path.name for path in Path("/run/netns").iterdir() if path.name in names),
        *map(str, cgroups.named(f"vdc-lab-{lab.name}-*")),
        *(line for line in Path("/proc/mounts").read_text().splitlines() if lab.name in line),
        *(line for line in loops.splitlines() if lab.name in line),
        *([str(lab.folder)] if lab.folder.exists() else []),
    ]


def test_hosts_have_an_identity_of_their_own(lab):
    for host in lab.hosts:
        for uri in (host.lxc, host.qemu):
            assert f"<uuid>{host.identity}</uuid>" in host.virsh(uri, "capabilities")
    assert lab.a.identity != lab.b.identity


def test_a_host_is_reached_over_ssh_from_the_lab_network(lab):
    for host in lab.hosts:
        said = lab.run("virsh", "--connect", host.over_ssh("qemu"), "capabilities")
        assert host.identity in said


def test_containers_boot_to_the_end_of_cloud_init_and_reach_each_other(lab, nodes):
    here, there = nodes
    for node, other in ((here, there), (there, here)):
        url = f"http://{other.address(lab)}:8000/result.json"
        assert "NoCloud" in node.run("curl", "--silent", "--max-time", "5", url)
        assert node.run("systemctl", "--failed", "--quiet", "--plain") == ""
        assert node.run("hostname").strip() == node.name
        assert node.run("getent", "hosts", "side.lab").split()[0] == "10.88.0.254"


def test_a_container_has_control_groups_of_its_own(nodes):
    first = nodes[0]
    places = [line.split(":", 2)[2] for line in first.run("cat", "/proc/1/cgroup").splitlines()]
    assert set(places) <= {"/", "/init.scope"}
    # What an agent does before it runs work.
    first.run(
        "sh", "-c", "for top in /sys/fs/cgroup/*/; do mkdir $top/work && rmdir $top/work; done"
    )


@pytest.mark.long
def test_containers_outlive_libvirtd(lab, nodes):
    host, node = lab.b, nodes[1]
    started = ("awk", "{ print $22 }", "/proc/1/stat")
    before = node.run(*started)
    host.kill_libvirtd()
    assert not host.up
    assert node.run(*started) == before
    host.start_libvirtd()
    assert node.name in host.virsh(host.lxc, "list", "--name")
    newer = Domain("newer", host)
    newer.start_container(machine_image())
    newer.remove()


@pytest.mark.long
def test_a_container_that_is_removed_is_gone(lab):
    node = Domain("brief", lab.a)
    node.start_container(machine_image())
    node.remove()
    assert node.name not in lab.a.virsh(lab.a.lxc, "list", "--all", "--name")
    assert "--name brief" not in lab.a.run("ps", "-e", "-o", "args")
    wait_for("its loop devices to go", lambda: "brief" not in lab.a.run("losetup", "--list"))


def test_storage_can_be_too_small(lab):
    with lab.a.small_storage(mib=8), pytest.raises(AssertionError, match="No space left"):
        lab.a.run("dd", "if=/dev/zero", f"of={lab.a.images / 'file'}", "bs=1M", "count=9")
    assert not lab.a.seen(lab.a.images / "file").exists()


def test_a_host_without_its_cable_is_not_reached(lab):
    ask = ("virsh", "--connect", lab.b.over_ssh("lxc"), "hostname")
    lab.b.unplug()
    with pytest.raises(AssertionError, match=r"timed out|No route"):
        lab.run(*ask)
    lab.b.plug()
    lab.run(*ask)


@pytest.mark.long
def test_a_variant_of_the_image_has_a_wrong_clock_and_a_silent_service(lab, tmp_path):
    image = machine_image()
    wrong = variant(image.root, {**wrong_clock("-400d"), **silent_service("ssh")}, tmp_path / "w")
    node = Domain("wrong", lab.a)
    node.start_container(type(image)(image.disk, wrong))
    node.address(lab)
    seen = node.run("systemd-run", "--unit=vdc-clock", "--quiet", "--pipe", "--wait", "date", "+%s")
    assert int(node.run("date", "+%s")) - int(seen) == pytest.approx(400 * 86400, abs=60)
    assert "sleep infinity" in node.run("systemctl", "status", "ssh")
    node.remove()


@pytest.mark.long
def test_a_machine_boots_from_the_loader_on_its_disk(lab, nodes):
    machine = Domain("machine", lab.a)
    machine.start_machine(machine_image())
    address = machine.address(lab, within_s=600)
    url = f"http://{address}:8000/result.json"
    assert "NoCloud" in nodes[1].run("curl", "--silent", "--max-time", "5", url)
    console = lab.a.logs / "qemu" / "machine.console"
    assert "Cloud-init" in console.read_text(errors="replace")
    machine.remove()


@pytest.mark.long
def test_labs_stand_side_by_side_and_leave_nothing(lab):
    with libvirt_lab() as other:
        assert other.a.identity != lab.a.identity
        node = Domain("node", other.a)
        node.start_container(machine_image())  # and is pulled out from under its lab
        assert node.name not in lab.a.virsh(lab.a.lxc, "list", "--name").split()
        assert remains(other)
    assert remains(other) == []
    assert lab.a.up


@pytest.mark.long
def test_what_a_killed_run_left_is_removed_by_name(lab):
    left = Lab(f"{lab.name}-left")
    left.up()
    left.b.kill_libvirtd()
    left.down()
    left.down()
    assert remains(left) == []
