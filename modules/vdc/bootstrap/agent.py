"""A scheduler agent's configuration file, from facts to text. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Fingerprinters that ask a cloud's metadata address or a daemon of another product; on a host
# that has neither they only delay the first registration.
_NO_CLOUD = "env_aws,env_azure,env_digitalocean,env_gce,consul,vault,cni"


@dataclass(frozen=True)
class Ports:
    """TCP ports of one agent; ``first_task`` to ``last_task`` are for the tasks it runs."""

    http: int
    rpc: int
    serf: int
    first_task: int
    last_task: int


@dataclass(frozen=True)
class TlsFiles:
    """PEM files beside the agent."""

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class Agent:
    """What every agent needs, whatever its role.

    Attributes:
        name: The node's name; with mutual TLS and introduction it is what the node may call itself.
        site: The scheduler's ``datacenter``.
        address: The address that others dial; empty when the node learns it at each start.
        bind: The address to listen on; empty for ``address``.
    """

    name: str
    site: str
    address: str
    data_dir: Path
    ports: Ports
    tls: TlsFiles
    bind: str = ""


@dataclass(frozen=True)
class ServerRole:
    """A control server.

    Attributes:
        expect: How many servers form the cluster.
        peers: ``host:port`` (serf) of all of them.
        gossip_key: 32 bytes, base64.
    """

    expect: int
    peers: tuple[str, ...]
    gossip_key: str = field(repr=False)


@dataclass(frozen=True)
class ClientRole:
    """A work node.

    Attributes:
        servers: ``host:port`` (RPC) of the control servers.
        group: The node group's name, which is the scheduler's ``node_class``.
        interface: The network interface whose address tasks bind to; empty when the node learns
            it at each start.
        cpu_mhz: Compute that the node offers; set where several agents share a host, else 0 and
            the agent measures.
        memory_mib: Memory that the node offers, likewise.
        disk_mib: Disk that the node offers, likewise.
        meta: Facts that never change during the node's life.
        drivers: How tasks may run.
        denied_uids: Users as whom no task may run (``0,100-200``).
    """

    servers: tuple[str, ...]
    group: str
    interface: str = ""
    cpu_mhz: int = 0
    memory_mib: int = 0
    disk_mib: int = 0
    meta: tuple[tuple[str, str], ...] = ()
    drivers: tuple[str, ...] = ("raw_exec",)
    denied_uids: str = ""


def server_config(agent: Agent, role: ServerRole) -> str:
    """The configuration of a control server, as JSON text."""
    return _text(
        agent,
        {
            "server": {
                "enabled": True,
                "bootstrap_expect": role.expect,
                "server_join": {"retry_join": list(role.peers), "retry_interval": "1s"},
                "encrypt": role.gossip_key,
                "raft_multiplier": 1,
                # A lost node is noticed within 15 s; with thousands of nodes the number of
                # heartbeats a second bounds the interval, and the default of 50 would make
                # 4,000 nodes wait 80 s and more.
                "min_heartbeat_ttl": "5s",
                "heartbeat_grace": "5s",
                "max_heartbeats_per_second": 500.0,
                # A new leader has heard of nobody. It takes a node that died with the old one
                # (a rack without power) for alive this long, by default five minutes; a node
                # that lives finds it within two of the 15 to 30 s between its attempts.
                "failover_heartbeat_ttl": "60s",
                "event_buffer_size": 4096,
                "client_introduction": {"enforcement": "strict"},
            },
            # By default no address has more than 100 connections, and the 101st agent behind a
            # NAT is refused. An address is no caller here: with mutual TLS, who has no
            # certificate of ours is cut off after the handshake's five seconds.
            "limits": {"http_max_conns_per_client": 0, "rpc_max_conns_per_client": 0},
        },
    )


def client_config(agent: Agent, role: ClientRole) -> str:
    """The configuration of a work node, as JSON text."""
    measured = {
        "network_interface": role.interface,
        "cpu_total_compute": role.cpu_mhz,
        "memory_total_mb": role.memory_mib,
        "disk_total_mb": role.disk_mib,
    }
    # Nobody but this machine calls a work node: the servers answer for it over its own
    # connection to them.
    listening = {"addresses": {"http": "127.0.0.1"}} if agent.bind else {}
    return _text(
        agent,
        {
            **listening,
            "client": {
                "enabled": True,
                "servers": list(role.servers),
                "node_class": role.group,
                **{key: value for key, value in measured.items() if value},
                "min_dynamic_port": agent.ports.first_task,
                "max_dynamic_port": agent.ports.last_task,
                "gc_max_allocs": 20,
                "meta": dict(role.meta),
                "options": {
                    "fingerprint.denylist": _NO_CLOUD,
                    "driver.allowlist": ",".join(role.drivers),
                },
            },
            "plugin": [{driver: [{"config": [_driver(driver, role)]}]} for driver in role.drivers],
        },
    )


def _driver(driver: str, role: ClientRole) -> dict[str, Any]:
    enabled = {"enabled": True} if driver == "raw_exec" else {}
    return {**enabled, **({"denied_host_uids": role.denied_uids} if role.denied_uids else {})}


def _text(agent: Agent, role: dict[str, Any]) -> str:
    advertised = dict.fromkeys(("http", "rpc", "serf"), agent.address)
    common = {
        "name": agent.name,
        "datacenter": agent.site,
        "data_dir": str(agent.data_dir),
        "bind_addr": agent.bind or agent.address,
        **({"advertise": advertised} if agent.address else {}),
        "ports": {"http": agent.ports.http, "rpc": agent.ports.rpc, "serf": agent.ports.serf},
        "disable_update_check": True,
        "leave_on_terminate": False,
        "leave_on_interrupt": False,
        "log_level": "INFO",
        "acl": {"enabled": True},
        "tls": {
            "http": True,
            "rpc": True,
            "ca_file": str(agent.tls.ca),
            "cert_file": str(agent.tls.cert),
            "key_file": str(agent.tls.key),
            "verify_server_hostname": True,
            "verify_https_client": True,
        },
    }
    return json.dumps({**common, **role}, indent=2) + "\n"
