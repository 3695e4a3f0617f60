"""Groups whose nodes are machines of their own: what they are told, and what they install."""

from __future__ import annotations

from vdc.bootstrap.cloudinit import user_data
from vdc.bootstrap.ignition import ignition
from vdc.bootstrap.node import BundleSource, NodeBoot, Proxy
from vdc.declaration.os import Init
from vdc.home import Home
from vdc.provider.agent import agent_program
from vdc.provider.archive import Archive
from vdc.provider.briefing import Briefing, Carry, Work
from vdc.provider.bundle import bundle
from vdc.provider.carrying import carry, program
from vdc.provider.resource import Inputs
from vdc.provider.resources.node_group import GroupInputs


class ProxyInputs(Inputs):
    """The machines' way out; empty for none."""

    http: str = ""
    https: str = ""
    no_proxy: tuple[str, ...] = ()


class BundleInputs(Inputs):
    """Where control servers find their software, and its SHA-256; empty where there are none."""

    url: str = ""
    sha256: str = ""


class MachineInputs(GroupInputs):
    """What a group of machines needs beside what every group needs.

    Attributes:
        endpoints: ``https://host:port`` of the pool service.
        proxy: How they reach what is outside.
        ntp: Time servers; empty for those of their system.
        logs: Where logs go; empty keeps them there.
    """

    endpoints: tuple[str, ...] = ()
    proxy: ProxyInputs = ProxyInputs()
    ntp: tuple[str, ...] = ()
    logs: str = ""


def software(inputs: GroupInputs, arch: str) -> Archive:
    """What the machines of a group install; the pool service's program is servers' alone.

    Raises:
        ToolchainError: It cannot be made.
    """
    home = Home.of_user()
    service = program(inputs.pool, arch, home) if inputs.pool else None
    return bundle(arch, agent_program(arch), home, service)


def briefing(inputs: MachineInputs, source: BundleSource, *, bounded: bool) -> Briefing:
    """What the machines of a group have in common.

    Args:
        inputs: The group.
        source: Where a machine finds its software.
        bounded: Whether a machine offers its declared size, where the agent would measure more
            than belongs to it; else what the agent measures.
    """
    return Briefing(
        site=inputs.site,
        group=inputs.group,
        role=_role(inputs, bounded=bounded),
        endpoints=inputs.endpoints,
        ca_cert=inputs.ca_cert,
        bundle=source,
        drain_s=inputs.drain_deadline_s,
        proxy=Proxy(inputs.proxy.http, inputs.proxy.https, inputs.proxy.no_proxy),
        ntp=inputs.ntp,
        logs=inputs.logs,
    )


def rendered(boot: NodeBoot, init: Init) -> str:
    """What a machine is told, as its system reads it."""
    return ignition(boot) if init == "ignition" else user_data(boot)


def _role(inputs: MachineInputs, *, bounded: bool) -> Work | Carry:
    if inputs.role == "server":
        return carry(inputs)
    servers = inputs.scheduler.rpc if inputs.scheduler else ()
    return Work(servers, inputs.cpu_mhz, inputs.memory_mib) if bounded else Work(servers)
