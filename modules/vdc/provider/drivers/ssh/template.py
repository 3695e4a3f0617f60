"""What all nodes of one group have in common, and each one's files from it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from vdc.bootstrap import layout
from vdc.bootstrap.agent import ServerRole
from vdc.bootstrap.node import (
    BundleSource,
    NodeBoot,
    NodeFile,
    Proxy,
    node_files,
    server_agent,
    work_agent,
)
from vdc.provider.drivers.ssh.preflight import Software


@dataclass(frozen=True)
class Work:
    """Nodes that run work.

    Attributes:
        servers: ``host:port`` (RPC) of the control servers.
    """

    servers: tuple[str, ...]


@dataclass(frozen=True)
class Carry:
    """Nodes that carry the control plane.

    Attributes:
        addresses: Each node's address that agents and other servers dial, by the node's name.
        cert: Their certificate, PEM, and ``key`` its key.
    """

    addresses: Mapping[str, str]
    gossip_key: str = field(repr=False)
    cert: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Template:
    """What a group's nodes are made from.

    Attributes:
        owner: Stack, site and group; the mark that makes a node ours.
        endpoints: ``https://host:port`` of the pool service.
        software: The bundle.
        ntp: Time servers; empty leaves the system's own.
        logs: Where logs go; empty keeps them on the node.
        drain_s: How long work may take to move away when the machine shuts down.
    """

    owner: str
    site: str
    group: str
    role: Work | Carry
    endpoints: tuple[str, ...]
    ca_cert: str
    software: Software
    proxy: Proxy = field(default=Proxy())
    ntp: tuple[str, ...] = ()
    logs: str = ""
    drain_s: int = 300

    @property
    def digest(self) -> str:
        """Changes with the content of any file that the nodes get, join secrets aside."""
        role = self.role
        # Work nodes differ in their names alone: one stands for all, and the count changes none.
        names = [""] if isinstance(role, Work) else sorted(role.addresses)
        files = [file for name in names for file in node_files(self.boot(name))]
        summed = hashlib.sha256()
        for file in files:
            summed.update(f"{file.path} {file.mode:o} {len(file.content)}\n{file.content}".encode())
        return summed.hexdigest()[:16]

    @property
    def dialled(self) -> tuple[str, ...]:
        """``host:port`` of all that a node of the group must reach before it can be one."""
        if isinstance(self.role, Carry):
            return ()  # its peers come up beside it
        service = tuple(endpoint.removeprefix("https://") for endpoint in self.endpoints)
        return (*self.role.servers, *service)

    def boot(self, name: str, join_secret: str = "") -> NodeBoot:
        """All that one node is told."""
        role = self.role
        if isinstance(role, Carry):
            peers = tuple(f"{host}:{layout.PORTS.serf}" for host in role.addresses.values())
            servers = ServerRole(len(peers), peers, role.gossip_key)
            agent = server_agent(name, self.site, role.addresses[name], servers)
            files: tuple[NodeFile, ...] = (
                NodeFile(layout.TLS.cert, role.cert, 0o600),
                NodeFile(layout.TLS.key, role.key, 0o600),
            )
        else:
            agent = work_agent(name, self.site, role.servers, self.group)
            files = ()
        return NodeBoot(
            name=name,
            site=self.site,
            group=self.group,
            role="server" if isinstance(role, Carry) else "client",
            endpoints=self.endpoints,
            ca_cert=self.ca_cert,
            agent_json=agent,
            bundle=BundleSource(self.software.sha256),
            join_secret=join_secret,
            proxy=self.proxy,
            ntp=self.ntp,
            logs=self.logs,
            drain_s=self.drain_s,
            files=files,
        )

    def facts(self, name: str, reached_at: str) -> tuple[tuple[str, str], ...]:
        """What resources that follow are told of a node."""
        if isinstance(self.role, Work) or name not in self.role.addresses:
            return (("address", reached_at),)
        ports = layout.PORTS
        return (
            ("address", self.role.addresses[name]),
            ("http", str(ports.http)),
            ("rpc", str(ports.rpc)),
            ("serf", str(ports.serf)),
        )
