"""What machines that carry the control plane get."""

from __future__ import annotations

import json

import pytest

from vdc.bootstrap import layout
from vdc.bootstrap.control import Carry, PoolService, ServiceKeys, pool_endpoints
from vdc.pool.config import PoolConfig

ADDRESSES = {"dc-lab-control-0": "10.0.0.5", "dc-lab-control-1": "10.0.0.6"}
KEYS = ServiceKeys("CERT", "key-secret", "JOIN", "join-secret", "CLI", "cli-secret")
SERVICE = PoolService("dc", pool_endpoints(["pool.example.org", "10.0.0.6"]), KEYS)
CARRY = Carry(ADDRESSES, "gossip-secret", "SERVER", "server-secret", SERVICE)


def files(carry: Carry, name: str) -> dict[str, str]:
    return {str(file.path): file.content for file in carry.files(name)}


def test_a_server_finds_the_others_and_serves_at_its_own_address():
    agent = json.loads(CARRY.agent("dc-lab-control-1", "lab"))
    assert agent["bind_addr"] == "10.0.0.6"
    assert agent["server"]["bootstrap_expect"] == 2
    assert agent["server"]["server_join"]["retry_join"] == ["10.0.0.5:4648", "10.0.0.6:4648"]


def test_its_pool_service_understands_what_it_is_told():
    told = files(CARRY, "dc-lab-control-1")
    config = PoolConfig.of(json.loads(told["/etc/vdc/pool/service.json"]))
    assert config.name == "dc"
    assert config.address == "https://10.0.0.6:4650"
    assert config.endpoints == ("https://pool.example.org:4650", "https://10.0.0.6:4650")
    assert config.scheduler.addresses == ("https://10.0.0.6:4646", "https://10.0.0.5:4646")
    assert config.scheduler.ca_file == layout.CA
    assert config.groups == ()  # declared while it runs
    assert config.join is not None
    assert config.join.audit_file.is_relative_to(layout.POOL_LOG)
    named = [config.cert_file, config.key_file, config.join.cert_file, config.join.key_file]
    named += [config.scheduler.cert_file, config.scheduler.key_file]
    contents = ["CERT", "key-secret", "JOIN", "join-secret", "CLI", "cli-secret"]
    assert [told[str(path)] for path in named] == contents


def test_nobody_else_on_the_machine_reads_a_secret():
    assert {file.mode for file in CARRY.files("dc-lab-control-0")} == {0o600}


def test_no_secret_is_shown():
    assert "secret" not in repr(CARRY)
    assert "secret" not in repr(CARRY.files("dc-lab-control-0"))


def test_a_server_may_come_without_the_service():
    told = files(Carry(ADDRESSES, "gossip", "SERVER", "KEY"), "dc-lab-control-0")
    assert told == {str(layout.TLS.cert): "SERVER", str(layout.TLS.key): "KEY"}


@pytest.mark.parametrize(
    ("name", "url"),
    [("10.0.0.5", "https://10.0.0.5:4650"), ("fd00::5", "https://[fd00::5]:4650")],
)
def test_an_endpoint_is_an_address_that_can_be_dialled(name, url):
    assert pool_endpoints([name]) == (url,)
