"""Where things are on a node: the same paths on every machine that is not this one.

Everything lies under ``/etc`` and ``/var``, because ``/usr`` is read-only on some systems. The
programs in ``files/`` know these paths, too; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path

from vdc.bootstrap.agent import Ports, TlsFiles

ETC = Path("/etc/vdc")
LIB = Path("/var/lib/vdc")
RUN = Path("/run/vdc")
LOG = Path("/var/log/vdc")
"""The agent's log where there is no systemd."""
UNITS = Path("/etc/systemd/system")

NODE_ENV = ETC / "node.env"
"""Facts of the node, for scripts and units."""
CA = ETC / "ca.pem"
JOIN_SECRET = ETC / "join-secret"
"""Removed by the node once it was used."""
AGENT_JSON = ETC / "agent.json"
NAMELESS = "@VDC_NAME@"
"""Stands in the agent's configuration for a name that the machine finds itself."""
BOOT = ETC / "boot.sh"
"""Obtains the bundle and installs it; what user data brings to a machine that knows nothing."""
BOOT_UNIT = UNITS / "vdc-boot.service"

TLS = TlsFiles(ca=CA, cert=LIB / "tls/cert.pem", key=LIB / "tls/key.pem")
AGENT_DATA = LIB / "agent"
INTRODUCTION = AGENT_DATA / "client/intro_token.jwt"
PACKAGES = LIB / "packages"
BIN = LIB / "bin"
NOMAD = BIN / "nomad"
VDC_NODE = BIN / "vdc-node"
INSTALL = BIN / "install.sh"
INSTALLED = LIB / "installed"
"""The SHA-256 of the bundle whose installation was carried through."""

POOL = ETC / "pool"
"""On a server: the pool service's configuration and keys."""
POOL_DATA = LIB / "pool"
POOL_PYTHON = POOL_DATA / "program/bin/python"
"""Of the environment that the service runs in."""
POOL_LOG = LOG / "pool"
POOL_PORT = 4650

PAYLOAD = Path("/run/vdc-payload")
PAYLOAD_LABEL = "VDC_PAYLOAD"
"""Label of the volume that is mounted there when the folder does not hold the bundle already."""

WORK_USER = "vdc-work"
"""Runs all work; made by the installation."""
WORK_UID = 60900
"""Its number, and that of its group. The same on every node, since the scheduler gives a task's
files to a number; outside every range that systems give numbers from."""

PORTS = Ports(http=4646, rpc=4647, serf=4648, first_task=20000, last_task=32000)
