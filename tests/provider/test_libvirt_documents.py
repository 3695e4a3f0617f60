"""What the libvirt driver writes and reads as text: documents, marks, names, disks, consoles."""

import re
import subprocess
from dataclasses import replace
from io import BytesIO
from itertools import permutations

import pycdlib
import pytest

from vdc.errors import NodeError
from vdc.provider import console as consoles
from vdc.provider.drivers.libvirt import disks, marks, xml
from vdc.provider.drivers.libvirt.capability import domain_type
from vdc.provider.drivers.libvirt.marks import Essence, Mark
from vdc.provider.drivers.libvirt.model import Bridge, Nat
from vdc.provider.drivers.libvirt.names import LONGEST_LOOP_PATH, Names, digest, realm
from vdc.provider.drivers.libvirt.placement import Room, place
from vdc.provider.drivers.libvirt.sdk import parsed

MARK = Mark("dc.dev.0", "dev/lab/workers", "n-0", "d1", "f1", "i1", "a")
VIRTUAL = xml.Domain(
    name="n-0",
    type="kvm",
    arch="x86_64",
    cpus=2,
    memory_mib=1024,
    mac="52:54:00:00:00:01",
    network="ours",
    disks=(xml.Disk("/pool/root", "qcow2"), xml.Disk("/pool/seed", "raw", readonly=True)),
    console="/pool/log",
)
CONTAINER = replace(
    VIRTUAL,
    type="lxc",
    network=Bridge("br0"),
    disks=(),
    mounts=(xml.Mount("/pool/root", "/", readonly=False), xml.Mount("/pool/seed", "/seed")),
)


def test_a_virtual_machine_can_grow_and_says_everything_on_a_console_that_is_kept():
    made = parsed(xml.domain(VIRTUAL, MARK))
    assert marks.vcpus(made) == (4, 2)
    assert marks.kib(made.find("memory")) == 2 * marks.kib(made.find("currentMemory")) == 2 << 20
    assert [d.find("target").get("dev") for d in made.iterfind("devices/disk")] == ["vda", "vdb"]
    root, seed = made.findall("devices/disk")
    assert (root.find("readonly") is None, seed.find("readonly") is None) == (True, False)
    assert made.find("devices/serial/log").get("file") == "/pool/log"
    assert made.find("cpu").get("mode") == "host-passthrough"


def test_a_container_mounts_images_and_may_make_device_files():
    made = parsed(xml.domain(CONTAINER, MARK))
    root, seed = made.findall("devices/filesystem")
    assert root.find("driver").attrib == {"type": "loop", "format": "raw"}
    assert root.find("readonly") is None
    assert seed.find("readonly") is not None
    assert made.find("features/capabilities/mknod").get("state") == "on"
    assert made.find("devices/interface/source").get("bridge") == "br0"
    assert marks.kib(made.find("memory")) == marks.kib(made.find("currentMemory"))


def test_ignition_is_read_from_the_firmware():
    made = parsed(xml.domain(replace(VIRTUAL, firmware="/pool/config.ign"), MARK))
    entry = made.find("sysinfo/entry")
    assert entry.attrib == {"name": "opt/com.coreos/config", "file": "/pool/config.ign"}


def test_another_architecture_boots_from_its_own_firmware():
    os = parsed(xml.domain(replace(VIRTUAL, arch="aarch64"), MARK)).find("os")
    assert os.get("firmware") == "efi"
    assert os.find("type").get("machine") == "virt"


@pytest.mark.parametrize("domain", [VIRTUAL, CONTAINER])
def test_the_mark_is_read_back_with_the_essence_of_what_was_written(domain):
    made = parsed(xml.domain(domain, MARK))
    mark = marks.mark(made)
    assert replace(mark, essence="") == MARK
    assert Essence.parse(mark.essence) == marks.essence(made)


def test_a_mark_of_another_version_is_read_as_far_as_it_goes():
    element = parsed(xml.domain(VIRTUAL, MARK))
    node = element.find(f"metadata/{{{marks.NAMESPACE}}}node")
    node.set("invented-later", "x")
    del node.attrib["uses"]
    assert marks.mark(element).owner == MARK.owner


def test_a_domain_without_a_mark_is_not_ours():
    assert marks.mark(parsed("<domain><metadata/></domain>")) is None


def test_names_tell_realms_and_nodes_apart():
    names, others = Names("dc.dev.00000000"), Names("dc.dev.11111111")
    assert names.labelled(names.label("n-1")) == "n-1"
    assert not names.disk("n-10").startswith(names.of_node("n-1"))
    shared = names.shared("base", "f" * 64, ".raw")
    assert names.is_shared(shared)
    assert not names.is_shared(names.disk("n-1"))
    mine = (names.label("n-1"), names.disk("n-1"), shared, names.network("lab", Nat("10.0.0.0/8")))
    assert all(names.is_ours(name) and not others.is_ours(name) for name in mine)
    assert realm("dc", "dev", "one CA") != realm("dc", "dev", "another CA")


def test_a_containers_disks_are_found_by_the_kernel():
    names = Names(realm("a" * 32, "b" * 32, "ca"))
    node = "n" * 63
    mounted = (names.disk(node), names.seed(node, "f" * 64), names.shared("load", "f" * 64))
    paths = [f"/var/lib/libvirt/images/{names.folder}/{name}" for name in mounted]
    assert max(map(len, paths)) <= LONGEST_LOOP_PATH


def test_a_node_keeps_its_network_address():
    names = Names("dc.dev.00000000")
    assert names.mac("n-0") == names.mac("n-0") != names.mac("n-1")
    assert names.mac("n-0") != Names("dc.dev.11111111").mac("n-0")
    assert re.fullmatch("52:54:00(:[0-9a-f]{2}){3}", names.mac("n-0"))


def test_a_network_gives_every_address_but_the_hosts_own():
    made = parsed(xml.network("n", Nat("10.90.0.0/29")))
    assert made.find("forward").get("mode") == "nat"
    assert made.find("ip").get("address") == "10.90.0.1"
    leases = made.find("ip/dhcp/range")
    assert (leases.get("start"), leases.get("end")) == ("10.90.0.2", "10.90.0.6")


def test_a_network_without_a_way_out_forwards_nothing_and_is_another_network():
    closed = Nat("10.90.0.0/29", closed=True)
    made = parsed(xml.network("n", closed))
    assert made.find("forward") is None
    assert made.find("ip").get("address") == "10.90.0.1"
    names = Names("dc.dev.00000000")
    assert names.network("lab", closed) != names.network("lab", Nat("10.90.0.0/29"))


def test_a_seed_is_read_by_its_label():
    content = disks.from_texts("iso", "cidata", {"user-data": "#cloud-config\n", "meta-data": "x"})
    read = pycdlib.PyCdlib()
    read.open_fp(BytesIO(content))
    assert read.pvd.volume_identifier.strip() == b"cidata"
    out = BytesIO()
    read.get_file_from_iso_fp(out, rr_path="/user-data")
    assert out.getvalue() == b"#cloud-config\n"


def test_a_containers_seed_is_a_file_system(tmp_path):
    image = tmp_path / "image"
    image.write_bytes(disks.from_texts("ext4", "cidata", {"user-data": "#cloud-config\n"}))
    shown = subprocess.run(
        ["debugfs", "-R", "cat /user-data", image],
        capture_output=True,
        check=True,
        env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
    )
    assert shown.stdout == b"#cloud-config\n"


def test_a_payload_of_other_content_is_another_disk(tmp_path):
    file, cache = tmp_path / "bundle", tmp_path / "cache"
    made = []
    for content in ("one", "two", "one"):
        file.write_text(content)
        made.append(disks.from_file("iso", "X", file, digest(content), cache).read_bytes())
    assert made[0] == made[2] != made[1]


def test_without_its_tool_a_containers_disk_names_the_package(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(NodeError, match="install e2fsprogs"):
        disks.from_texts("ext4", "cidata", {"user-data": ""})


CAPABILITIES = """<capabilities><guest><os_type>hvm</os_type><arch name='x86_64'>
  <domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>"""


@pytest.mark.parametrize(
    ("machine", "kvm_works", "made"),
    [("auto", True, "kvm"), ("auto", False, "qemu"), ("qemu", True, "qemu"), ("kvm", True, "kvm")],
)
def test_kvm_is_taken_only_where_it_works(machine, kvm_works, made):
    serves = lambda kind: kind != "kvm" or kvm_works  # noqa: E731
    assert domain_type(CAPABILITIES, "x86_64", machine, serves) == made


@pytest.mark.parametrize(
    ("machine", "arch", "said"),
    [
        ("kvm", "x86_64", "kvm does not work there"),
        ("lxc", "x86_64", r"does not offer lxc for x86_64 \(for x86_64 it offers kvm, qemu\)"),
        ("auto", "aarch64", "does not offer any machine for aarch64"),
    ],
)
def test_what_a_host_cannot_make_is_said(machine, arch, said):
    with pytest.raises(NodeError, match=said):
        domain_type(CAPABILITIES, arch, machine, lambda kind: kind != "kvm")


ROOMS = (Room("a", 4, 8192, 0, 2048, 1), Room("b", 4, 8192, 0, 0, 0), Room("c", 4, 2048, 0, 0, 0))


def test_nodes_go_where_most_memory_is_free_whatever_the_order_of_hosts():
    for rooms in permutations(ROOMS):
        placed = place(["n-0", "n-1", "n-2", "n-3"], rooms, 1, 2048, apart=False)
        assert placed == {"n-0": "b", "n-1": "a", "n-2": "b", "n-3": "a"}


def test_servers_never_share_a_host_while_there_are_enough():
    placed = place(["s-0", "s-1"], ROOMS, 1, 1024, apart=True)
    assert placed == {"s-0": "b", "s-1": "c"}
    assert place(["s-0", "s-1", "s-2"], ROOMS[1:], 1, 1024, apart=True)["s-2"] == "b"


def test_memory_is_promised_once_and_the_message_says_what_is_free():
    placed = place(["n-0", "n-1"], [Room("a", 4, 4096, 0, 1000, 0)], 1, 2048, apart=False)
    assert placed["n-0"] == "a"
    assert "no host has 2048 MiB of memory free (a: 1048 MiB)" in str(placed["n-1"])


@pytest.mark.parametrize(
    ("running", "address", "console", "stage"),
    [
        (False, "", "", "defined"),
        (True, "", "Booting Linux", "address"),
        (True, "10.0.0.2", "Cloud-init v. 22.4.2 running 'init'", "cloud-init"),
        (True, "", "Cloud-init v. 22.4.2 running 'init'", "cloud-init"),
        (True, "10.0.0.2", "Booting Linux", "cloud-init"),
        (True, "10.0.0.2", "Cloud-init v. 22.4.2 finished at", "agent"),
        (True, "", "ignition[480]: Ignition finished successfully", "agent"),
    ],
)
def test_the_stage_is_the_last_that_shows(running, address, console, stage):
    said = consoles.stage(running=running, address=address, console=console)
    assert said.startswith(f"stage {stage}:")


def test_a_console_cannot_act_on_the_readers_terminal():
    raw = b"\x1b[0;32m  OK  \x1b[0m] Started\r\n\x1b]0;title\x07\x00caf\xc3\xa9\x1bc"
    assert consoles.legible(raw) == "  OK  ] Started\n0;titlecaf"
