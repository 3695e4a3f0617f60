"""What the machines of one group are told at their first start, from what the group is. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vdc.bootstrap.control import Carry
from vdc.bootstrap.layout import NAMELESS
from vdc.bootstrap.node import BundleSource, Naming, NodeBoot, Proxy, work_agent

__all__ = ["Briefing", "Carry", "Work"]


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
            # A work node makes its own key, which never leaves it.
            files=() if isinstance(self.role, Work) else self.role.files(name),
        )

    def boot_fleet(self, naming: Naming, secret: str) -> NodeBoot:
        """What every machine is told of a group whose machines their cloud makes and names."""
        return replace(self.boot(NAMELESS, secret), naming=naming)

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
        return role.agent(name, self.site)
