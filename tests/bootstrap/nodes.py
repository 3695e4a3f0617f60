"""Nodes to render, and a command that writes what is kept: ``python tests/bootstrap/nodes.py``."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from vdc.bootstrap import layout
from vdc.bootstrap.agent import ServerRole
from vdc.bootstrap.cloudinit import meta_data, user_data
from vdc.bootstrap.ignition import ignition
from vdc.bootstrap.node import (
    BundleSource,
    Naming,
    NodeBoot,
    NodeFile,
    Proxy,
    server_agent,
    work_agent,
)
from vdc.declaration.os import SYSTEMS

GOLDEN = Path(__file__).parent.parent / "golden" / "bootstrap"
CA = "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n"
SECRET = "uJ0n2cOMn7pUoZKDLx6zXkVwVf0oKmYyJx3q1mB8f0k"
KEY = "-----BEGIN PRIVATE KEY-----\nbm9uZSBlaXRoZXI=\n-----END PRIVATE KEY-----\n"
GOSSIP = "Z29zc2lwIGtleSwgMzIgYnl0ZXMgb2YgYmFzZTY0"
ENDPOINTS = tuple(f"https://10.88.0.{host}:8443" for host in (1, 2, 3))
SERVERS = tuple(f"10.88.0.{host}:4647" for host in (1, 2, 3))

SYSTEMS_KEPT = {
    "debian-12": ("debian", "12"),
    "debian-13": ("debian", "13"),
    "ubuntu-24.04": ("ubuntu", "24.04"),
    "rhel-9": ("rhel", "9"),
    "centos-stream-9": ("centos-stream", "9"),
    "rocky-9": ("rocky", "9"),
    "fedora-coreos": ("fedora-coreos", "stable"),
    "flatcar": ("flatcar", "stable"),
}
"""Every system whose user data is kept, by the name of its file."""


def work_node(group: str = "workers", arch: str = "amd64") -> NodeBoot:
    """A work node with three control servers and nothing special about its site."""
    name = f"dc-rack-{group}-0"
    return NodeBoot(
        name=name,
        site="rack",
        group=group,
        role="client",
        endpoints=ENDPOINTS,
        ca_cert=CA,
        agent_json=work_agent(name, "rack", SERVERS, group),
        bundle=BundleSource(sha256(arch.encode()).hexdigest()),
        join_secret=SECRET,
    )


def fleet_node() -> NodeBoot:
    """A work node that its cloud makes: told what all of its group are told."""
    return replace(
        work_node(),
        name=layout.NAMELESS,
        agent_json=work_agent(layout.NAMELESS, "rack", SERVERS, "workers"),
        naming=Naming("dc-rack-workers", "pkcs7-document", "dc-rack-workers-fleet", "dc-ending"),
    )


def guarded_node() -> NodeBoot:
    """A work node of a site with a proxy, a clock, a log destination and a mirror of its own."""
    name = "dc-rack-far-0"
    return NodeBoot(
        name=name,
        site="rack",
        group="far",
        role="client",
        endpoints=("https://[2001:db8::1]:8443", "https://pool.example.org:8443"),
        ca_cert=CA,
        agent_json=work_agent(name, "rack", SERVERS, "far", cpu_mhz=4000, memory_mib=2048),
        bundle=BundleSource(
            sha256(b"amd64").hexdigest(), Path("/srv/it's here"), "https://mirror.example.org/b.tgz"
        ),
        join_secret=SECRET,
        proxy=Proxy("http://proxy:3128", "http://proxy:3128", (".example.org", "10.0.0.0/8")),
        ntp=("10.0.0.1", "time.example.org"),
        logs="syslog+tcp://10.0.0.2:514",
        drain_s=60,
    )


def server_node() -> NodeBoot:
    """A control server."""
    name = "dc-rack-servers-0"
    role = ServerRole(3, tuple(f"10.88.0.{host}:4648" for host in (1, 2, 3)), GOSSIP)
    return NodeBoot(
        name=name,
        site="rack",
        group="servers",
        role="server",
        endpoints=ENDPOINTS,
        ca_cert=CA,
        agent_json=server_agent(name, "rack", "10.88.0.1", role),
        bundle=BundleSource(sha256(b"amd64").hexdigest()),
        files=(NodeFile(layout.TLS.cert, CA), NodeFile(layout.TLS.key, KEY, 0o600)),
    )


def render(system: str, node: NodeBoot) -> str:
    """What a machine of the system gets."""
    name, _ = SYSTEMS_KEPT[system]
    return {"cloud-init": user_data, "ignition": ignition}[SYSTEMS[name].init](node)


def kept() -> dict[str, str]:
    """Every kept file by its name in the folder."""
    texts = {}
    for system, (name, _) in SYSTEMS_KEPT.items():
        suffix = {"cloud-init": "yaml", "ignition": "ign"}[SYSTEMS[name].init]
        texts[f"{system}.{suffix}"] = render(system, work_node())
    special = {"fleet": fleet_node(), "guarded": guarded_node(), "server": server_node()}
    for title, node in special.items():
        texts[f"{title}.yaml"] = user_data(node)
        texts[f"{title}.ign"] = ignition(node)
    texts["meta-data"] = meta_data(work_node(), user_data(work_node()))
    return texts


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in kept().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
