"""What the machines of one group are told at their first start, from what the group is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vdc.bootstrap import layout
from vdc.bootstrap.agent import ServerRole
from vdc.bootstrap.node import (
    BundleSource,
    NodeBoot,
    NodeFile,
    Proxy,
    server_agent,
    work_agent,
)


@dataclass(frozen=True)
class Work:
    """Machines that run work.

    Attributes:
        servers: ``host:port`` (RPC) of the control servers.
        cpu_mhz: What the agent offers where it would measure the whole host; else 0.
        memory_mib: Likewise.
    """

    servers: tuple[str, ...]
    cpu_mhz: int = 0
    memory_mib: int = 0


@dataclass(frozen=True)
class Carry:
    """Machines that carry the control plane.

    Attributes:
        addresses: By node name, the address that agents and other servers dial.
        gossip_key: 32 bytes, base64.
        cert: Their certificate, PEM.
        key: Its key, PEM.
    """

    addresses: Mapping[str, str]
    gossip_key: str = field(repr=False)
    cert: str = field(repr=False)
    key: str = field(repr=False)


@dataclass(frozen=True)
class Briefing:
    """All that a group's machines have in common.

    Attributes:
        site: The scheduler's ``datacenter``.
        group: The scheduler's ``node_class``.
        role: What they do.
        endpoints: ``https://host:port`` of the pool service.
        ca_cert: The data centre's CA, PEM.
        bundle: The software, and where a machine finds it.
        drain_s: How long work may take to move away when a machine shuts down, in seconds.
        proxy: How they reach what is outside.
        ntp: Time servers; empty leaves the system's own.
        logs: Where logs go; empty keeps them there.
    """

    site: str
    group: str
    role: Work | Carry
    endpoints: tuple[str, ...]
    ca_cert: str
    bundle: BundleSource
    drain_s: int
    proxy: Proxy = field(default=Proxy())
    ntp: tuple[str, ...] = ()
    logs: str = ""

    def boot(self, name: str, join_secret: str) -> NodeBoot:
        """What one machine is told."""
        return NodeBoot(
            name=name,
            site=self.site,
            group=self.group,
            role="server" if isinstance(self.role, Carry) else "client",
            endpoints=self.endpoints,
            ca_cert=self.ca_cert,
            agent_json=self._agent(name),
            bundle=self.bundle,
            join_secret=join_secret,
            proxy=self.proxy,
            ntp=self.ntp,
            logs=self.logs,
            drain_s=self.drain_s,
            files=self._credentials(),
        )

    def _agent(self, name: str) -> str:
        role = self.role
        if isinstance(role, Work):
            return work_agent(
                name,
                self.site,
                role.servers,
                self.group,
                cpu_mhz=role.cpu_mhz,
                memory_mib=role.memory_mib,
            )
        peers = tuple(f"{address}:{layout.PORTS.serf}" for address in role.addresses.values())
        servers = ServerRole(len(peers), peers, role.gossip_key)
        return server_agent(name, self.site, role.addresses.get(name, ""), servers)

    def _credentials(self) -> tuple[NodeFile, ...]:
        if isinstance(self.role, Work):
            return ()  # a work node makes its own key, which never leaves it
        return (
            NodeFile(layout.TLS.cert, self.role.cert, 0o600),
            NodeFile(layout.TLS.key, self.role.key, 0o600),
        )
