"""A control server of a cloud: what its machine boots and is told, and when that may change."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from vdc.errors import NodeError, SchedulerError
from vdc.provider import members
from vdc.provider.connection import SchedulerInputs
from vdc.provider.permissions import VARIABLE
from vdc.provider.resources import server
from vdc.provider.resources.server import Server, ServerInputs
from vdc.provider.wire import UNKNOWN

PEMS = {name: f"{name}-pem" for name in ("ca_cert", "cert", "key")}
ADDRESSES = ("10.70.32.10", "10.70.64.10", "10.70.32.11")
RAW = {
    **PEMS,
    "stack": "dev",
    "datacenter": "dc",
    "site": "cloud",
    "group": "servers",
    "role": "server",
    "prefix": "dc-cloud-servers",
    "name": "dc-cloud-servers-1",
    "count": 3,
    "cpu_mhz": 2000,
    "memory_mib": 4096,
    "disk_mib": 20480,
    "drain_deadline_s": 0,
    "server_addresses": ADDRESSES,
    "gossip_key": "gossip",
    "scheduler": {"addresses": [], "rpc": [], **PEMS, "token": "token"},
    "endpoints": ["https://10.70.32.10:4650"],
    "init": "cloud-init",
    "bundle": {"url": "https://files.example.org/server.tar.gz", "sha256": "0a" * 32},
    "image": "ami-1",
    "machine": "m6i.large",
    "limit": 16384,
}
SERVER = Server()


class Cluster:
    """Three servers, as those dial them who ask for their health.

    Attributes:
        tolerates: What autopilot says, one answer after the other, and then the last again.
        silent: How often the second one does not answer.
    """

    def __init__(self, monkeypatch):
        self.tolerates = [1]
        self.silent = 0
        self.dialled = ()

        @asynccontextmanager
        async def each(_, addresses):
            self.dialled = tuple(addresses)
            yield tuple(One(self, address) for address in addresses)

        monkeypatch.setattr(SchedulerInputs, "each", each)
        monkeypatch.setattr(members, "_ASK_AGAIN_S", 0)


class One:
    """The connection to one of them."""

    def __init__(self, cluster, address):
        self.cluster, self.address = cluster, address

    async def leader(self):
        if ADDRESSES[1] in self.address and self.cluster.silent:
            self.cluster.silent -= 1
            raise SchedulerError("no answer", 0)
        return f"{ADDRESSES[0]}:4647"

    async def json(self, method, path):
        assert (method, path) == ("GET", "/v1/operator/autopilot/health")
        left = self.cluster.tolerates
        return {"Healthy": True, "FailureTolerance": left.pop(0) if left[1:] else left[0]}


@pytest.fixture
def cluster(monkeypatch):
    return Cluster(monkeypatch)


def inputs(**changes) -> ServerInputs:
    return ServerInputs.model_validate({**RAW, **changes, **SERVER.expect({**RAW, **changes})})


def made(**changes):
    return asyncio.run(SERVER.create(None, inputs(**changes))).outputs


def updated(old, **changes):
    return asyncio.run(SERVER.update(None, inputs(**changes), old)).outputs


def test_it_is_told_its_name_and_keys_and_where_its_software_lies():
    told = made()["user_data"]
    assert told.startswith("#cloud-config\n")
    assert "hostname: dc-cloud-servers-1\n" in told
    assert "https://files.example.org/server.tar.gz" in told
    assert made(init="ignition")["user_data"].startswith("{")


def test_what_the_cloud_would_not_take_is_said_before():
    with pytest.raises(
        NodeError, match=r"^server dc-cloud-servers-1: the user data is [\d,]+ bytes"
    ):
        made(limit=1000)


def test_a_preview_knows_everything_but_what_the_authority_has_not_made_yet():
    assert SERVER.predict(RAW, None) == made()
    assert SERVER.predict({**RAW, "cert": UNKNOWN}, None) == {}
    assert SERVER.drifted(inputs(), made()) == {}
    assert SERVER.drifted(inputs(machine="m7i.large"), made()) == {"digest": "UPDATE"}


def test_a_newer_image_alone_replaces_no_server(cluster):
    old = made()
    assert updated(old, image="ami-2") == old == SERVER.predict({**RAW, "image": "ami-2"}, old)
    assert cluster.dialled == ()
    assert updated(old, image="ami-2", machine="m7i.large")["boots"] == "ami-2"


@pytest.mark.parametrize("change", [{"machine": "m7i.large"}, {"key": "another"}])
def test_another_machine_has_its_turn_when_the_cluster_can_do_without_one(cluster, change):
    assert updated(made(), **change) == made(**change)
    assert cluster.dialled == tuple(f"https://{address}:4646" for address in ADDRESSES)


@pytest.mark.usefixtures("cluster")
def test_the_only_server_is_not_replaced():
    with pytest.raises(NodeError, match="let three servers carry the control plane"):
        updated(made(), machine="m7i.large", count=1, server_addresses=ADDRESSES[:1])


def test_the_next_waits_while_the_last_boots_and_autopilot_does_not_know_it_yet(cluster):
    cluster.silent = 3
    assert updated(made(), machine="m7i.large") == made(machine="m7i.large")
    assert cluster.silent == 0


def test_the_next_waits_while_the_last_is_forgotten_and_its_successor_has_not_come(cluster):
    cluster.tolerates = [0, 0, 1]
    assert updated(made(), machine="m7i.large") == made(machine="m7i.large")
    assert cluster.tolerates == [1]


def test_servers_that_do_not_come_are_replaced_when_that_is_said(cluster, monkeypatch):
    monkeypatch.setattr(server, "_SETTLE_S", 0.1)
    cluster.silent = 1 << 30
    with pytest.raises(NodeError, match=r"^server dc-cloud-servers-1: .* run up with --force$"):
        updated(made(), machine="m7i.large")
    monkeypatch.setenv(VARIABLE, "unhealthy")
    assert updated(made(), machine="m7i.large") == made(machine="m7i.large")
