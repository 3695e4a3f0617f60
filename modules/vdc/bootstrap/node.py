"""What one machine must know to become a node, and the files that tell it. Pure."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from vdc.bootstrap import layout
from vdc.bootstrap.agent import (
    Agent,
    ClientRole,
    ServerRole,
    client_config,
    server_config,
)

Role = Literal["client", "server"]

# Root, and people: an image's own user often becomes root without a password.
_NOT_FOR_WORK = f"0,1000-{layout.WORK_UID - 1},{layout.WORK_UID + 1}-65533"


@dataclass(frozen=True)
class NodeFile:
    """A file on the node, owned by root.

    Attributes:
        path: Absolute, on the node.
        content: Its text; may be a secret.
        mode: Permission bits.
    """

    path: Path
    content: str = field(repr=False)
    mode: int = 0o644


@dataclass(frozen=True)
class BundleSource:
    """Which software the node installs, and where it finds it.

    The folder is looked into first, then the volume labelled ``VDC_PAYLOAD`` is mounted there,
    then the address is asked. Whatever the place, only a file of this sum is taken.

    Attributes:
        sha256: Sum of the whole archive, 64 hex digits.
        folder: Where a payload lies, or is mounted.
        url: Another address than the pool's own endpoints, without the pool's CA.
    """

    sha256: str
    folder: Path = layout.PAYLOAD
    url: str = ""


@dataclass(frozen=True)
class Proxy:
    """How the node reaches what is outside; the pool's endpoints are always reached directly."""

    http: str = ""
    https: str = ""
    no_proxy: tuple[str, ...] = ()


@dataclass(frozen=True)
class Naming:
    """How machines that are all told the same become nodes of different names.

    Attributes:
        prefix: A node is called this, a hyphen, and what its cloud calls the machine.
        identity: How the cloud vouches for a machine; a name in ``pool/joining/identities``.
        fleet: What the cloud calls the group, where it waits for a machine's word before it
            ends one; empty where it does not.
        hook: What it calls that waiting.
    """

    prefix: str
    identity: str
    fleet: str = ""
    hook: str = ""


@dataclass(frozen=True)
class NodeBoot:
    """All that a machine is told; nothing of it changes during the node's life.

    Attributes:
        name: The node's name, which is also its host name;
            :data:`~vdc.bootstrap.layout.NAMELESS` with ``naming``.
        endpoints: ``https://host:port`` of the pool service, one or more.
        ca_cert: The data centre's CA, PEM.
        agent_json: The agent's whole configuration; a server's holds the gossip key.
        bundle: The software.
        join_secret: Admits a work node once; empty for a server, which is not admitted but made.
        ntp: Time servers; empty leaves the system's own.
        logs: ``syslog+tcp://host:port`` or ``syslog+udp://host:port``, the port may be missing;
            empty keeps logs here.
        drain_s: How long work may take to move away when the machine shuts down, in seconds.
        files: Further files; a server's certificate and key.
        naming: How the machine finds its name where it is told none; then its host name is its
            own affair, and the secret is the whole group's.
    """

    name: str
    site: str
    group: str
    role: Role
    endpoints: tuple[str, ...]
    ca_cert: str
    agent_json: str = field(repr=False)
    bundle: BundleSource
    join_secret: str = field(default="", repr=False)
    proxy: Proxy = Proxy()
    ntp: tuple[str, ...] = ()
    logs: str = ""
    drain_s: int = 300
    files: tuple[NodeFile, ...] = ()
    naming: Naming | None = None

    @property
    def open_ports(self) -> tuple[str, ...]:
        """What others may dial, in the words of firewalld; a work node's are its tasks'."""
        ports = layout.PORTS
        if self.role == "client":
            return (f"{ports.first_task}-{ports.last_task}/tcp",)
        service = {urlsplit(endpoint).port or 443 for endpoint in self.endpoints}
        return (
            *(f"{port}/tcp" for port in (ports.http, ports.rpc, ports.serf, *sorted(service))),
            f"{ports.serf}/udp",
        )


def node_files(node: NodeBoot) -> tuple[NodeFile, ...]:
    """Every file that must lie on the node before :data:`~vdc.bootstrap.layout.BOOT` runs."""
    secret = (NodeFile(layout.JOIN_SECRET, node.join_secret + "\n", 0o600),)
    return (
        NodeFile(layout.NODE_ENV, node_env(node)),
        NodeFile(layout.CA, node.ca_cert),
        *(secret if node.join_secret else ()),
        NodeFile(layout.AGENT_JSON, _compact(node.agent_json), 0o600),
        NodeFile(layout.BOOT, _without_comments(_program("boot.sh")), 0o755),
        *node.files,
    )


def boot_unit() -> str:
    """The unit that runs :data:`~vdc.bootstrap.layout.BOOT` at each start until it succeeds."""
    return _program("units/vdc-boot.service")


def needs_program() -> str:
    """The program that says what a machine lacks; it is also part of every bundle."""
    return _program("vdc-needs")


def node_env(node: NodeBoot) -> str:
    """The node's facts: ``NAME=value`` lines that a POSIX shell and systemd read alike."""
    naming = node.naming or Naming("", "")
    facts = {
        "VDC_NAME": "" if node.naming else node.name,
        "VDC_NAME_PREFIX": naming.prefix,
        "VDC_IDENTITY": naming.identity,
        "VDC_FLEET": naming.fleet,
        "VDC_HOOK": naming.hook,
        "VDC_SITE": node.site,
        "VDC_GROUP": node.group,
        "VDC_ROLE": node.role,
        "VDC_ENDPOINTS": " ".join(node.endpoints),
        "VDC_BUNDLE_SHA256": node.bundle.sha256,
        "VDC_PAYLOAD": str(node.bundle.folder) if node.bundle.folder != layout.PAYLOAD else "",
        "VDC_BUNDLE_URL": node.bundle.url,
        "VDC_OPEN_PORTS": " ".join(node.open_ports),
        "VDC_DRAIN_S": str(node.drain_s) if node.role == "client" else "",
        "VDC_NTP": " ".join(node.ntp),
        "VDC_LOGS": node.logs,
        **_proxies(node),
    }
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in facts.items() if value)


def work_agent(
    name: str,
    site: str,
    servers: tuple[str, ...],
    group: str,
    *,
    cpu_mhz: int = 0,
    memory_mib: int = 0,
    disk_mib: int = 0,
) -> str:
    """The agent's configuration on a machine of its own that runs work.

    The agent learns at each start by which address and interface the machine reaches the pool,
    and where its Python is; see ``files/vdc-agent``.

    Args:
        name: The node's name.
        site: The scheduler's ``datacenter``.
        servers: ``host:port`` (RPC) of the control servers.
        group: The node group's name.
        cpu_mhz: What to offer of the machine; 0 for what the agent finds.
        memory_mib: Likewise.
        disk_mib: Likewise.
    """
    role = ClientRole(
        servers=servers,
        group=group,
        cpu_mhz=cpu_mhz,
        memory_mib=memory_mib,
        disk_mib=disk_mib,
        meta=(("packages", str(layout.PACKAGES)), ("work_user", layout.WORK_USER)),
        drivers=("raw_exec", "exec"),
        denied_uids=_NOT_FOR_WORK,
    )
    return client_config(_agent(name, site, "", bind="0.0.0.0"), role)  # noqa: S104


def server_agent(name: str, site: str, address: str, role: ServerRole) -> str:
    """The configuration of a control server at its declared address."""
    return server_config(_agent(name, site, address), role)


def _agent(name: str, site: str, address: str, bind: str = "") -> Agent:
    return Agent(name, site, address, layout.AGENT_DATA, layout.PORTS, layout.TLS, bind)


def _proxies(node: NodeBoot) -> dict[str, str]:
    proxy = node.proxy
    if not (proxy.http or proxy.https):
        return {}
    hosts = (urlsplit(endpoint).hostname or "" for endpoint in node.endpoints)
    direct = dict.fromkeys(("localhost", "127.0.0.1", *hosts, *proxy.no_proxy))
    return {
        "http_proxy": proxy.http,
        "https_proxy": proxy.https,
        "no_proxy": ",".join(direct),
    }


def _compact(config: str) -> str:
    """The same configuration in fewer bytes: user data is bounded."""
    return json.dumps(json.loads(config), separators=(",", ":")) + "\n"


def _without_comments(script: str) -> str:
    """Fewer bytes again; the first line says which shell."""
    first, *lines = script.splitlines(keepends=True)
    return first + "".join(line for line in lines if not line.lstrip().startswith("#"))


def _program(name: str) -> str:
    return package_files("vdc.bootstrap").joinpath("files", name).read_text(encoding="utf-8")
