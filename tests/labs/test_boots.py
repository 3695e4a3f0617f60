"""Nodes that follow an API: here a list that the test changes."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from labs import cgroups
from labs.boots import BRIDGE, Boots, Instance, remove_nodes
from labs.netns import Namespace
from nomad_lab import wait_for

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

SIDE = "10.88.0.254"
# Counts its boots, and the times that cloud-init has run it.
USER_DATA = b"""\
#cloud-config
write_files:
  - {path: /var/lib/made, content: "once\\n", append: true}
bootcmd:
  - echo boot >>/var/lib/boots
"""
ONE = Instance("i-1", "one", USER_DATA, "10.70.0.10", "10.70.0.1", 20)
TWO = Instance("i-2", "two", USER_DATA, "10.70.16.10", "10.70.16.1", 20)


@dataclass
class Cloud:
    """A lab and its API."""

    folder: Path
    name: str = field(default_factory=lambda: f"b{secrets.token_hex(3)}")
    shown: dict[str, Instance] = field(default_factory=dict)
    asked: int = 0
    broken: bool = False

    @property
    def network(self) -> Namespace:
        return Namespace(f"vdc-{self.name}")

    def instances(self) -> list[Instance]:
        self.asked += 1
        if self.broken:
            raise OSError("no answer")
        return list(self.shown.values())

    def followed(self) -> None:
        """Returns when what is shown now has been acted on."""
        begun = self.asked
        wait_for("two more questions", lambda: self.asked > begun + 1)

    def remains(self) -> list[str]:
        """Whatever of its nodes is still on this machine."""
        loops = subprocess.run(["losetup", "--list"], capture_output=True, text=True).stdout
        return [
            *(str(path) for path in Path("/run/netns").glob(f"vdc-{self.name}-*")),
            *map(str, cgroups.named(f"vdc-lab-{self.name}-*")),
            *(line for line in loops.splitlines() if str(self.folder) in line),
            *map(str, (self.folder / "nodes").glob("*")),
        ]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    cloud = Cloud(Path(tempfile.mkdtemp(prefix="vdc-boots-")))
    try:
        cloud.network.make()
        cloud.network.bridge(BRIDGE, f"{SIDE}/24")
        yield cloud
    finally:
        cloud.network.remove()
        shutil.rmtree(cloud.folder)


@pytest.fixture(scope="module")
def boots(cloud: Cloud) -> Iterator[Boots]:
    """Two nodes of two subnets."""
    cloud.shown = {it.id: it for it in (ONE, TWO)}
    with Boots(cloud, cloud.instances, every_s=0.2) as boots:
        for instance in (ONE, TWO):
            boots.node(instance.id).booted()
        yield boots
    assert cloud.remains() == []


def test_a_node_is_what_the_api_shows(boots: Boots) -> None:
    for instance in (ONE, TWO):
        node = boots.node(instance.id)
        assert node.run("cat", "/var/lib/cloud/instance/user-data.txt").encode() == USER_DATA
        assert node.run("hostname").strip() == instance.name
        assert f" {instance.address}/20 " in node.run("ip", "-4", "-o", "address", "show", "eth0")
        assert node.run("systemctl", "--failed", "--quiet", "--plain") == ""
        for other in (ONE.address, TWO.address, instance.gateway, SIDE):
            node.run("ping", "-c", "1", "-W", "5", other)


def test_a_node_has_control_groups_of_its_own(boots: Boots) -> None:
    node = boots.node("i-1")
    places = [line.split(":", 2)[2] for line in node.run("cat", "/proc/1/cgroup").splitlines()]
    assert set(places) <= {"/", "/init.scope"}


def test_a_node_changes_no_setting_of_this_machine(boots: Boots) -> None:
    with pytest.raises(AssertionError, match="Read-only"):
        boots.node("i-1").run("sh", "-c", "echo 40000 >/proc/sys/kernel/pid_max")


def test_a_reboot_keeps_the_disk(boots: Boots) -> None:
    node = boots.node("i-1")
    # From inside the connection ends with the machine.
    subprocess.run(node.command("systemctl", "reboot"), capture_output=True)
    wait_for("its second boot", lambda: node.runs and _boots(node) == 2)
    boots.reboot("i-1")
    wait_for("its third boot", lambda: _boots(node) == 3)
    node.booted()
    assert node.run("cat", "/var/lib/made") == "once\n"


def test_a_node_that_is_powered_off_stays_off(cloud: Cloud, boots: Boots) -> None:
    node = boots.node("i-1")
    boots.power_off("i-1")
    cloud.followed()
    assert not node.runs
    boots.reboot("i-1")
    assert node.runs


def test_an_instance_that_is_shut_off_keeps_its_disk(cloud: Cloud, boots: Boots) -> None:
    node = boots.node("i-1")
    cloud.shown["i-1"] = replace(ONE, running=False)
    wait_for("its end", lambda: not node.runs)
    cloud.shown["i-1"] = ONE
    wait_for("its return", lambda: node.runs)
    wait_for("its file", lambda: "boot" in _read(node, "/var/lib/boots"))


def test_an_api_that_does_not_answer_ends_nothing(cloud: Cloud, boots: Boots) -> None:
    cloud.broken = True
    cloud.followed()
    assert all(node.runs for node in boots.nodes.values())
    assert "no answer" in (cloud.folder / "boots.log").read_text()
    cloud.broken = False


def test_what_is_no_longer_shown_is_gone(cloud: Cloud, boots: Boots) -> None:
    node = boots.node("i-2")
    del cloud.shown["i-2"]
    wait_for("its end", lambda: "i-2" not in boots.nodes)
    wait_for("its disk to go", lambda: not node.folder.exists())
    assert not node.network.path.exists()
    assert [it for it in cloud.remains() if "i-2" in it] == []


def test_what_a_killed_run_left_is_removed(cloud: Cloud) -> None:
    other = Cloud(cloud.folder / "other", shown={"i-3": replace(ONE, id="i-3")})
    other.folder.mkdir()
    other.network.make()
    other.network.bridge(BRIDGE, f"{SIDE}/24")
    left = Boots(other, other.instances, every_s=0.2)
    left.__enter__()
    left.node("i-3")
    left._end.set()  # as if the process were killed: nothing is tidied
    left._thread.join()
    assert other.remains()
    remove_nodes(other)
    assert other.remains() == []
    other.network.remove()


def _read(node, path: str) -> str:
    """A file of a node, empty while that boots."""
    try:
        return node.run("cat", path)
    except AssertionError:
        return ""


def _boots(node) -> int:
    return len(_read(node, "/var/lib/boots").split())
