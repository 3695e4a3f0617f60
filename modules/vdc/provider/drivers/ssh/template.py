"""What all nodes of one group are made from. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from vdc.bootstrap import layout
from vdc.bootstrap.node import NodeBoot, node_files
from vdc.provider.briefing import Briefing, Carry, Work
from vdc.provider.drivers.ssh.preflight import Wanted


@dataclass(frozen=True)
class Template:
    """A group's nodes.

    Attributes:
        owner: Stack, site and group; the mark that makes a node ours.
        briefing: What each of them is told.
        wanted: What a machine must have to be one.
    """

    owner: str
    briefing: Briefing
    wanted: Wanted

    @property
    def carries(self) -> bool:
        """Whether the nodes are control servers, which are made and do not join."""
        return isinstance(self.briefing.role, Carry)

    @property
    def parts(self) -> tuple[str, ...]:
        """What a node of the group is to do, in the words of ``vdc-needs``."""
        role, logs = self.briefing.role, ("logs",) if self.briefing.logs else ()
        if isinstance(role, Work):
            return ("work", *logs)
        return ("service", *logs) if role.pool else logs

    @property
    def digest(self) -> str:
        """Changes with the content of any file that the nodes get, join secrets aside."""
        role = self.briefing.role
        # Work nodes differ in their names alone: one stands for all, and the count changes none.
        names = sorted(role.addresses) if isinstance(role, Carry) else [""]
        summed = hashlib.sha256()
        for file in (file for name in names for file in node_files(self.boot(name))):
            summed.update(f"{file.path} {file.mode:o} {len(file.content)}\n{file.content}".encode())
        return summed.hexdigest()[:16]

    @property
    def dialled(self) -> tuple[str, ...]:
        """``host:port`` of all that a node of the group must reach before it can be one."""
        role = self.briefing.role
        if not isinstance(role, Work):
            return ()  # its peers come up beside it
        endpoints = self.briefing.endpoints
        return (*role.servers, *(endpoint.removeprefix("https://") for endpoint in endpoints))

    def boot(self, name: str, join_secret: str = "") -> NodeBoot:
        """All that one node is told."""
        return self.briefing.boot(name, join_secret)

    def facts(self, name: str, reached_at: str) -> tuple[tuple[str, str], ...]:
        """What resources that follow are told of a node."""
        role = self.briefing.role
        if not isinstance(role, Carry) or name not in role.addresses:
            return (("address", reached_at),)
        ports = layout.PORTS
        return (
            ("address", role.addresses[name]),
            ("http", str(ports.http)),
            ("rpc", str(ports.rpc)),
            ("serf", str(ports.serf)),
        )
