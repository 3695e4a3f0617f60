"""The libvirt driver against two real libvirtd: containers, their volumes, hosts that go away."""

import asyncio
import os
from dataclasses import replace
from hashlib import sha256 as sha256_of
from pathlib import Path

import pytest

from labs.images import machine_image, sha256
from labs.libvirt import Host, Lab, libvirt_lab
from nomad_lab import wait_for
from vdc.errors import NodeError
from vdc.plan.model import Size
from vdc.provider.drivers.libvirt.common import Payload
from vdc.provider.drivers.libvirt.driver import LibvirtDriver
from vdc.provider.drivers.libvirt.model import Bridge, HostSpec, Image, Nat, Template
from vdc.provider.drivers.libvirt.names import realm

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

NAMES = tuple(f"dc-lab-workers-{index}" for index in range(4))
BOOT_S = 300
SAID = "vdc-payload-is"
USER_DATA = f"""#cloud-config
no_ssh_fingerprints: true
ssh: {{emit_keys_to_console: false}}
runcmd:
- [sh, -c, 'echo {SAID} $(mount LABEL=VDC_PAYLOAD /mnt; cat /mnt/bundle /var/lib/vdc-payload/bundle) >/dev/ttyS0']
- [sh, -c, 'cat /var/lib/vdc-payload/bundle >/root/seen']
"""  # noqa: E501 - one command is one line


@pytest.fixture(scope="module")
def lab():
    """Two hosts."""
    with libvirt_lab() as lab:
        yield lab


class Site:
    """Drivers for one group on the lab's hosts."""

    def __init__(self, lab: Lab, folder: Path, machine: str) -> None:
        self.lab = lab
        self.folder = folder
        image = machine_image()
        disk = image.root if machine == "lxc" else image.disk
        self.payload = folder / "bundle"
        self.payload.write_text("whole")
        specs = tuple(
            HostSpec(host.name, host.lxc if machine == "lxc" else host.qemu, host.identity)
            for host in lab.hosts
        )
        self.template = Template(
            realm=realm("dc", "dev", str(folder)),
            owner="dev/lab/workers",
            site="lab",
            prefix="dc-lab-workers",
            names=NAMES,
            hosts=specs,
            network=Bridge("br0"),
            image=Image(str(disk), sha256(disk)),
            machine=machine,
            arch="x86_64",
            init="cloud-init",
            size=Size(1000, 512, 2048),
        )

    def driver(self, **changes) -> LibvirtDriver:
        """As each run of the provider has one."""

        def userdata(name: str, _: str, incarnation: str) -> dict[str, str]:
            meta = f"instance-id: {name}-{incarnation}\nlocal-hostname: {name}\n"
            return {"user-data": USER_DATA, "meta-data": meta}

        async def admit(_: str) -> str:
            return "secret"

        async def revoke(_: str) -> None:
            """Nobody was admitted anywhere."""

        async def living() -> list[str]:
            return []

        return LibvirtDriver(
            replace(self.template, **changes),
            userdata,
            self.folder / "ledger" / "lab.workers.json",
            admit=admit,
            revoke=revoke,
            living=living,
            payload=Payload(
                self.payload, sha256_of(self.payload.read_bytes()).hexdigest(), self.folder
            ),
        )

    async def clear(self) -> None:
        """Removes all of it."""
        driver = self.driver()
        await asyncio.gather(*(driver.delete(name) for name in await driver.owned()))
        await driver.tidy()


@pytest.fixture
def containers(lab, tmp_path):
    """A group of containers; nothing of it is left afterwards."""
    site = Site(lab, tmp_path, "lxc")
    yield site
    asyncio.run(site.clear())


def left(host: Host) -> list[str]:
    """What libvirt has on a host, and what lies in its folder for volumes."""
    found = []
    for words in (
        ("list", "--all", "--name"),
        ("net-list", "--all", "--name"),
        ("pool-list", "--all", "--name"),
    ):
        found += host.virsh(host.lxc, *words).split()
    found += host.run("ls", "-A", str(host.images)).split()
    return [name for name in found if name != "default"]  # libvirt's own network


def states(nodes) -> dict[str, str]:
    return {name: node.state for name, node in nodes.items()}


async def make_all(site: Site, **changes) -> LibvirtDriver:
    driver = site.driver(**changes)
    await driver.owned()
    names = changes.get("names", NAMES)
    await asyncio.gather(*(driver.create(name) for name in names))
    return driver


def test_four_containers_come_are_mended_and_go_without_a_trace(lab, containers):
    async def life():
        driver = await make_all(containers)
        assert states(await driver.owned()) == dict.fromkeys(NAMES, "running")
        assert all(len(host.virsh(host.lxc, "list", "--name").split()) == 2 for host in lab.hosts)

        victim = lab.b.virsh(lab.b.lxc, "list", "--name").split()[0]
        lab.b.virsh(lab.b.lxc, "destroy", victim)
        assert (await driver.owned())[victim].state == "stopped"
        lab.b.virsh(lab.b.lxc, "undefine", victim)
        assert (await driver.owned())[victim].state == "partial"
        await driver.create(victim)
        assert states(await driver.owned()) == dict.fromkeys(NAMES, "running")

        await containers.clear()
        assert await driver.owned() == {}

    asyncio.run(life())
    assert [left(host) for host in lab.hosts] == [[], []]


def test_a_container_carries_out_its_user_data_and_has_its_payload(lab, containers):
    asyncio.run(make_all(containers, names=NAMES[:1]))
    (name,) = NAMES[:1]
    host = lab.a if name in lab.a.virsh(lab.a.lxc, "list", "--name").split() else lab.b
    (init,) = lab.run("pgrep", "-f", f"libvirt_lxc --name {name} ").split()[:1]
    seen = Path(f"/proc/{_child(int(init))}/root/root/seen")
    wait_for("the user data to be carried out", seen.exists)
    assert seen.read_text() == "whole"
    said = asyncio.run(containers.driver().explain(name))
    assert said.startswith(f"host {host.name} ")


def test_a_network_of_ours_gives_addresses_and_goes_with_the_last_node(lab, containers):
    async def life():
        changes = {"names": NAMES[:1], "network": Nat("10.91.0.0/24")}
        driver = await make_all(containers, **changes)
        return lambda: dict(asyncio.run(driver.owned())[NAMES[0]].facts)["address"]

    address = asyncio.run(life())
    wait_for("an address", address)
    assert address().startswith("10.91.0.")
    asyncio.run(containers.clear())
    assert [left(host) for host in lab.hosts] == [[], []]


def test_a_libvirtd_that_dies_is_one_line_and_the_next_run_goes_on(lab, containers):
    async def life():
        driver = await make_all(containers)
        lab.b.kill_libvirtd()
        try:
            seen = states(await containers.driver().owned())
            assert sorted(seen.values()) == ["running", "running", "unreachable", "unreachable"]
            lost = next(name for name, state in seen.items() if state == "unreachable")
            with pytest.raises(NodeError, match=r"host b .* cannot be reached: .*; the node is"):
                await containers.driver().create(lost)
        finally:
            lab.b.start_libvirtd()
        assert states(await driver.owned()) == dict.fromkeys(NAMES, "running")

    asyncio.run(life())


def test_a_full_disk_is_one_line_and_the_next_run_goes_on(lab, containers):
    async def life():
        folder = lab.a.images
        lab.a.run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
        try:
            hosts = (containers.template.hosts[0],)
            with pytest.raises(NodeError, match=r"host a .*: base image: .*[Nn]o space left"):
                await containers.driver(hosts=hosts).create(NAMES[0])
            await containers.clear()
            assert lab.a.run("ls", "-A", str(folder)) == ""
        finally:
            lab.a.run("umount", str(folder))
        await make_all(containers, names=NAMES[:1])

    asyncio.run(life())


def test_a_virtual_machine_boots_from_its_seed_and_its_console_is_shown(lab, tmp_path):
    site = Site(lab, tmp_path, "auto")

    asyncio.run(make_all(site, names=NAMES[:1]))

    def said() -> str:
        return asyncio.run(site.driver().explain(NAMES[0]))

    try:
        wait_for("the machine to be configured", lambda: "stage agent" in said(), BOOT_S)
        assert f"{SAID} whole" in said()
    finally:
        asyncio.run(site.clear())
    assert [left(host) for host in lab.hosts] == [[], []]


def _child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[:1]
    return int(child)
