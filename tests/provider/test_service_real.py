"""Pool services on servers of their own, as the provider sees them: told, waited for, ended."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nomad_lab import NomadLab, nomad_lab
from vdc.bootstrap import layout
from vdc.bootstrap.agent import TlsFiles
from vdc.bootstrap.control import PoolService, Seat, ServiceKeys, pool_endpoints
from vdc.client.profile import Profile
from vdc.home import Home
from vdc.provider import pki, processes, settings
from vdc.provider.resource import Call, Made
from vdc.provider.resources import service as resource
from vdc.provider.resources.service import Service, ServiceInputs

pytestmark = pytest.mark.real

# Loopback has room for every test that runs at the same time.
NET = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 250}"
SERVERS = {"dc-lab-control-0": f"{NET}.2", "dc-lab-control-1": f"{NET}.3"}
FIRST, SECOND = SERVERS
GROUP = {"site": "lab", "name": "workers", "node_class": "workers", "labels": {}, "price": "0.02"}


@dataclass(frozen=True)
class Machines:
    """Two servers as far as the pool service is concerned."""

    lab: NomadLab
    folder: Path
    keys: ServiceKeys

    def config(self, name: str) -> Path:
        return self.folder / name / "service.json"

    def start(self, name: str) -> None:
        """Starts one's service from the files that a server gets, and waits until it listens."""
        own = self.config(name).parent
        for file, text in {**self.keys.files, "ca.pem": self.lab.authority.cert}.items():
            processes.write_private(own / file, text)
        service = PoolService("dc", pool_endpoints(tuple(SERVERS.values())), self.keys)
        told = service.config(
            Seat(
                SERVERS[name], layout.POOL_PORT, (self.lab.address,),
                keys=own, ca=own / "ca.pem", packages=own / "packages", bundles=own / "bundles",
                audit=own / "audit.jsonl",
            )
        )  # fmt: skip
        processes.write_private(self.config(name), json.dumps(told))
        command = [sys.executable, "-m", "vdc.pool", "--config", str(self.config(name))]
        log = own / "service.log"
        process = processes.start(command, own, log)
        at = (SERVERS[name], layout.POOL_PORT)
        asyncio.run(processes.wait_listening(process, *at, log, 60))

    def stop(self, name: str) -> None:
        asyncio.run(processes.stop(processes.find(self.config(name))))

    def pid(self, name: str) -> int:
        (found,) = processes.find(self.config(name))
        return found.pid


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("servers")
    with nomad_lab(folder / "lab", clients=0) as lab:
        own = pki.issue(lab.authority, "pool.vdc", tuple(SERVERS.values()), server=True)
        join = pki.new_issuer(lab.authority, "dc")
        calling = lab.certificate(folder / "cli")
        keys = ServiceKeys(
            own.cert, own.key, join.cert, join.key, calling.cert.read_text(),
            calling.key.read_text(),
        )  # fmt: skip
        processes.write_private(folder / "own.pem", own.cert)
        lab.let_in(TlsFiles(calling.ca, folder / "own.pem", calling.key))
        there = Machines(lab, folder, keys)
        try:
            yield there
        finally:
            for name in SERVERS:
                there.stop(name)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("VDC_HOME", str(tmp_path / "home"))
    return Home.of_user()


def inputs(machines: Machines, **other: Any) -> ServiceInputs:
    lab, keys = machines.lab, machines.keys
    raw = {
        "stack": "dc",
        "datacenter": "dc",
        "currency": "EUR",
        "addresses": list(SERVERS.values()),
        "endpoint": list(SERVERS.values()),
        "servers": SERVERS,
        "groups": [GROUP],
        "cert": keys.cert,
        "key": keys.key,
        "join_cert": keys.join_cert,
        "join_key": keys.join_key,
        "scheduler": {
            "addresses": [lab.address],
            "rpc": [lab.rpc],
            "ca_cert": lab.authority.cert,
            "cert": keys.scheduler_cert,
            "key": keys.scheduler_key,
            "token": lab.token("vdc-provisioner"),
        },
        "operator_token": lab.token("vdc-operator"),
        **other,
    }
    return ServiceInputs.model_validate({**raw, **Service().expect(raw)})


def made(wanted: ServiceInputs) -> Made:
    async def create() -> Made:
        return await Service().create(Call("urn", asyncio.Event()), wanted)

    return asyncio.run(create())


@pytest.mark.long
def test_services_of_servers_from_their_first_day_to_their_last(machines, home, monkeypatch):
    call = Call("urn", asyncio.Event())
    wanted = inputs(machines)

    # One comes up and the other does not: the line names it, and what there is can be used.
    machines.start(FIRST)
    monkeypatch.setattr(resource, "_ANSWER_S", 4.0)
    partial = made(wanted)
    (line,) = partial.problems
    assert line.startswith(f"the pool service on {SECOND} (https://{SERVERS[SECOND]}:4650)")
    assert "does not answer" in line
    assert partial.outputs["endpoints"] == list(pool_endpoints(tuple(SERVERS.values())))
    profile = Profile.load(home, "dc", env={})
    assert profile.address == partial.outputs["address"] == f"https://{SERVERS[FIRST]}:4650"
    assert [path.name for path in home.stack("dc").pool.iterdir()] == ["ca.pem"]

    # The next run completes it.
    machines.start(SECOND)
    monkeypatch.setattr(resource, "_ANSWER_S", 60.0)
    whole = made(wanted)
    assert whole.problems == ()
    assert Service().drifted(wanted, whole.outputs) == {}

    # What changes is taken by both while they run.
    pids = [machines.pid(name) for name in SERVERS]
    changed = inputs(machines, groups=[{**GROUP, "price": "0.03"}])
    assert Service().drifted(changed, whole.outputs) == {"declared": "UPDATE"}
    again = made(changed)
    assert again.problems == ()
    assert [machines.pid(name) for name in SERVERS] == pids

    # A look at them shows what is not as it should be.
    machines.stop(SECOND)
    seen = asyncio.run(Service().read(call, changed, again.outputs))
    assert seen is not None
    assert Service().drifted(changed, seen) == {"state": "UPDATE"}
    machines.lab.call("DELETE", f"/v1/var/{settings.PATH}")
    seen = asyncio.run(Service().read(call, changed, again.outputs))
    assert seen is not None
    assert Service().drifted(changed, seen) == {"state": "UPDATE", "declared": "UPDATE"}

    # At the end nothing of it is left here, and nothing in the scheduler's store.
    machines.start(SECOND)
    made(changed)
    asyncio.run(Service().delete(call, changed, again.outputs))
    paths = [variable["Path"] for variable in machines.lab.call("GET", "/v1/vars") or []]
    assert settings.PATH not in paths
    assert not home.stack("dc").profile.exists()
    assert not home.stack("dc").pool.exists()
