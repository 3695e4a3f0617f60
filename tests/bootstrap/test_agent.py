"""Agent configuration: text for given facts, compared with what was looked at and kept."""

import json
from pathlib import Path

import pytest

from vdc.bootstrap.agent import (
    Agent,
    ClientRole,
    Ports,
    ServerRole,
    TlsFiles,
    client_config,
    server_config,
)

GOLDEN = Path(__file__).parent.parent / "golden"
AGENT = Agent(
    name="dc-here-workers-0",
    site="here",
    address="127.0.0.1",
    data_dir=Path("/nodes/n/data"),
    ports=Ports(20000, 20001, 20002, 20010, 20099),
    tls=TlsFiles(Path("/n/ca.pem"), Path("/n/cert.pem"), Path("/n/key.pem")),
)
CASES = {
    "agent.client.json": lambda: client_config(
        AGENT,
        ClientRole(
            ("127.0.0.1:21001",), "workers", "lo", 2000, 4096, 10240, (("packages", "/packages"),)
        ),
    ),
    "agent.server.json": lambda: server_config(AGENT, ServerRole(3, ("127.0.0.1:20002",), "a2V5")),
}


@pytest.mark.parametrize("name", CASES)
def test_configuration_is_as_kept(name: str):
    assert CASES[name]() == (GOLDEN / name).read_text()


@pytest.mark.parametrize("name", CASES)
def test_every_agent_has_mutual_tls_and_access_control(name: str):
    config = json.loads(CASES[name]())
    assert config["acl"] == {"enabled": True}
    tls = config["tls"]
    assert all(
        tls[key] is True for key in ("http", "rpc", "verify_server_hostname", "verify_https_client")
    )


def test_servers_encrypt_gossip_and_admit_only_introduced_nodes():
    server = json.loads(CASES["agent.server.json"]())["server"]
    assert server["encrypt"] == "a2V5"
    assert server["client_introduction"] == {"enforcement": "strict"}


def test_the_gossip_key_is_not_shown():
    assert "a2V5" not in repr(ServerRole(1, (), "a2V5"))
