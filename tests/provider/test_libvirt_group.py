"""The libvirt group's resource: what its inputs become, and what its machines are told."""

import json

import pytest

from vdc.errors import ToolchainError
from vdc.provider.drivers.libvirt.group import LibvirtInputs, LibvirtNodeGroup

pytestmark = pytest.mark.usefixtures("nomad")

KEY = "-----BEGIN EC PRIVATE KEY-----\nx\n-----END EC PRIVATE KEY-----\n"


def inputs(**changes) -> LibvirtInputs:
    """A group of two work nodes."""
    scheduler = {
        "addresses": ["https://192.0.2.10:4646"],
        "rpc": ["192.0.2.10:4647"],
        **{name: name for name in ("ca_cert", "cert", "key", "token")},
    }
    given = {
        "stack": "dev",
        "datacenter": "dc",
        "site": "lab",
        "group": "workers",
        "role": "client",
        "prefix": "dc-lab-workers",
        "count": 2,
        "cpu_mhz": 1500,
        "memory_mib": 1024,
        "disk_mib": 4096,
        "drain_deadline_s": 60,
        "ca_cert": "the CA",
        "cert": "",
        "key": "",
        "scheduler": scheduler,
        "hosts": {"a": {"uri": "qemu:///system"}},
        "network": {"bridge": "br0"},
        "machine": "auto",
        "arch": "amd64",
        "init": "cloud-init",
        "image": "/images/debian.qcow2",
        "sha256": "f" * 64,
        "endpoints": ["https://192.0.2.10:8443"],
    }
    return LibvirtInputs.model_validate({**given, **changes})


def digest(**changes) -> str:
    return LibvirtNodeGroup().driver(inputs(**changes), None).digest


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 5},
        {"hosts": {"a": {"uri": "qemu:///system"}, "b": {"uri": "qemu+ssh://b/system"}}},
        {"image": "/mnt/debian.qcow2"},  # the same sum: the same image, elsewhere
    ],
)
def test_what_changes_no_machine(changes):
    assert digest(**changes) == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "e" * 64},
        {"machine": "qemu"},
        {"memory_mib": 2048},
        {"cpu_mhz": 3000},
        {"network": {"nat": "10.90.0.0/24"}},
        {"endpoints": ["https://192.0.2.11:8443"]},
        {"ca_cert": "another"},
        {"ntp": ["192.0.2.1"]},
        {"proxy": {"https": "http://proxy.example.org:3128"}},
        {"init": "ignition"},
    ],
)
def test_what_makes_other_machines(changes):
    assert digest(**changes) != digest()


def test_a_preview_with_values_to_come_names_the_nodes_and_no_digest():
    raw = inputs().model_dump()
    expected = LibvirtNodeGroup().expect(raw)
    assert list(expected["nodes"]) == ["dc-lab-workers-0", "dc-lab-workers-1"]
    assert expected["digest"] == digest()


def told(**changes) -> str:
    """Everything that the first node is given to read."""
    driver = LibvirtNodeGroup().driver(inputs(**changes), None)
    return json.dumps(dict(driver.userdata("dc-lab-workers-0", "the-secret", "i1")))


def test_a_work_node_is_told_its_secret_and_no_private_key():
    words = told()
    assert "the-secret" in words
    assert "PRIVATE KEY" not in words


def test_a_container_looks_for_its_software_where_no_system_hides_it():
    assert "/var/lib/vdc-payload" in told(machine="lxc")
    assert "/var/lib/vdc-payload" not in told()


def test_a_server_is_told_its_key_and_the_others_addresses():
    words = told(
        role="server",
        group="control",
        key=KEY,
        cert="a certificate",
        gossip_key="bm9uc2Vuc2U=",
        server_addresses=["192.0.2.21", "192.0.2.22"],
    )
    assert "PRIVATE KEY" in words
    assert "192.0.2.22:4648" in words
    assert "192.0.2.21/32" in words, "it has the declared address"


def test_machines_of_another_architecture_need_its_agent():
    with pytest.raises(ToolchainError, match="nodes are arm64 and nomad on PATH is for amd64"):
        LibvirtNodeGroup().driver(inputs(arch="arm64"), None)
