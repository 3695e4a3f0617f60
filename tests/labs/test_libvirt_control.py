"""The control plane on libvirt hosts: its machines are replaced under a pool that goes on."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from e2e.checkout import Checkout, checkout
from labs.images import machine_image, sha256, variant
from labs.libvirt import Lab, libvirt_lab
from labs.libvirt.host import BRIDGE
from vdc.bootstrap.layout import POOL_PORT
from vdc.client import PoolClient, Profile
from vdc.errors import PoolError, SchedulerError
from vdc.home import Home
from vdc.provider.agent import architecture
from vdc.provider.connection import SchedulerInputs
from vdc.provider.release import wheelhouse
from vdc.scheduler.client import Nomad

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

# Outside of what the lab's DHCP gives away.
ADDRESSES = ["10.88.0.201", "10.88.0.202", "10.88.0.203"]
SERVERS = [f"core-rack-servers-{index}" for index in range(3)]
WORKER = "core-rack-workers-0"
SIZE = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}
_PAUSE_S = 0.2


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """This process and what it starts live on this side of the lab's network."""
    wheelhouse(architecture(), Home.of_user())
    with libvirt_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture(scope="module")
def stack(lab: Lab) -> Iterator[Checkout]:
    """Three servers and a work node on two hosts; destroyed with nothing left."""
    before = lab.held()
    with checkout("core", patience_s=1200) as made:
        declare(made, lab, machine_image().root)
        made.vdc("up", "--yes")
        yield made
        made.vdc("destroy", "--yes")
        assert made.left() == []
        assert lab.held() == before


def declare(stack: Checkout, lab: Lab, image: Path) -> None:
    """Writes the declaration; the image is the servers' alone."""
    document = {
        "name": stack.stack,
        "control": {
            "site": "rack",
            "servers": len(ADDRESSES),
            "addresses": ADDRESSES,
            "size": SIZE,
        },
        "sites": {
            "rack": {
                "kind": "libvirt",
                "hosts": {
                    host.name: {"uri": host.lxc, "identity": host.identity} for host in lab.hosts
                },
                "network": {"bridge": BRIDGE},
                "machine": "lxc",
                "os": debian(image),
                "groups": {
                    "workers": {
                        "count": 1,
                        "size": SIZE,
                        "drain": {"deadline": "60s"},
                        "os": debian(machine_image().root),
                    }
                },
            },
        },
    }
    stack.declaration.write_text(yaml.safe_dump(document, sort_keys=False))


def debian(image: Path) -> dict[str, object]:
    """An operating system of this image."""
    return {
        "name": "debian",
        "version": "12",
        "image": {"url": str(image), "sha256": sha256(image)},
    }


def machines(lab: Lab) -> dict[str, str]:
    """The id of every machine that runs, by name."""
    listed = (host.virsh(host.lxc, "list", "--uuid", "--name") for host in lab.hosts)
    return {name: uuid for text in listed for uuid, name in map(str.split, text.splitlines())}


def scheduler(stack: Checkout) -> SchedulerInputs:
    """The provider's own way to the scheduler, as the state keeps it."""
    held = json.loads(stack.pulumi("stack", "export", "--show-secrets").stdout)
    (inputs,) = (
        resource["inputs"]
        for resource in held["deployment"]["resources"]
        if resource["type"] == "vdc:libvirt:NodeGroup" and resource["inputs"]["role"] == "client"
    )
    access = {
        # A secret is an object that holds its text as JSON.
        key: json.loads(value["plaintext"]) if isinstance(value, dict) else value
        for key, value in inputs["scheduler"].items()
    }
    return SchedulerInputs.model_validate(access)


@dataclass
class Watch:
    """What is seen of the servers, the scheduler and the pool, over and over.

    Attributes:
        gone: When a machine that was there at first no longer ran, by name.
        healthy: When autopilot called every server healthy, and the servers' ids by name then.
        answers: How often the pool has answered.
        silences: Why none of the servers answered for the pool, each time.
    """

    lab: Lab
    stack: Checkout
    gone: dict[str, float] = field(default_factory=dict)
    healthy: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    answers: int = 0
    silences: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    async def run(self, access: SchedulerInputs) -> None:
        """Until it is over."""
        async with AsyncExitStack() as connections, asyncio.TaskGroup() as group:
            servers = await connections.enter_async_context(access.each(access.addresses))
            first = await asyncio.to_thread(machines, self.lab)
            group.create_task(self._machines(first))
            group.create_task(asyncio.to_thread(self._ask))
            for server in servers:
                group.create_task(self._health(server))
            await asyncio.to_thread(self.over.wait)

    async def _machines(self, first: dict[str, str]) -> None:
        while not self.over.is_set():
            now = await asyncio.to_thread(machines, self.lab)
            for name in SERVERS:
                if now.get(name) != first[name]:
                    self.gone.setdefault(name, time.monotonic())
            await asyncio.sleep(_PAUSE_S)

    async def _health(self, server: Nomad) -> None:
        while not self.over.is_set():
            try:
                said = await server.json("GET", "/v1/operator/autopilot/health")
            except SchedulerError:
                said = {"Healthy": False}
            if said["Healthy"]:
                ids = {one["Name"].partition(".")[0]: one["ID"] for one in said["Servers"]}
                self.healthy.append((time.monotonic(), ids))
            await asyncio.sleep(_PAUSE_S)

    def _ask(self) -> None:
        known = self.stack.profile
        profiles = [
            Profile(f"https://{address}:{POOL_PORT}", known.ca_file, known.token)
            for address in ADDRESSES
        ]
        for turn in itertools.count():
            if self.over.wait(_PAUSE_S):
                return
            # As a client does that knows all of them: whoever is away is passed over.
            first = turn % len(profiles)
            problems = []
            for profile in profiles[first:] + profiles[:first]:
                try:
                    with PoolClient.of(profile) as pool:
                        ready = [node.name for node in pool.nodes() if node.status == "ready"]
                except PoolError as error:
                    problems.append(str(error))
                    continue
                assert ready == [WORKER]
                self.answers += 1
                break
            else:
                self.silences.append(" | ".join(problems))


@contextmanager
def watching(lab: Lab, stack: Checkout) -> Iterator[Watch]:
    """A watch that has begun when the block begins, and is over after it."""
    watch = Watch(lab, stack)
    failed: list[BaseException] = []
    access = scheduler(stack)

    def keep() -> None:
        try:
            asyncio.run(watch.run(access))
        except BaseException as error:  # it is raised where the test can see it
            failed.append(error)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.over.set()
        thread.join(60)
    assert failed == []


def test_servers_are_replaced_one_after_the_other_under_a_pool_that_answers(
    lab: Lab, stack: Checkout, tmp_path: Path
) -> None:
    before = machines(lab)
    assert set(before) == {*SERVERS, WORKER}
    newer = variant(machine_image().root, {"/etc/motd": "newer\n"}, tmp_path / "newer.qcow2")
    declare(stack, lab, newer)
    with watching(lab, stack) as watch:
        print(stack.vdc("up", "--yes").text)
    after = machines(lab)
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == set(SERVERS)

    print(f"{watch.answers} answers of the pool, {len(watch.silences)} silences")
    assert watch.answers
    assert watch.silences == []

    first = watch.healthy[0][1]
    assert set(first) == set(SERVERS)
    order = sorted(watch.gone, key=lambda name: watch.gone[name])
    for former, latter in itertools.pairwise(order):
        between = [
            ids
            for at, ids in watch.healthy
            # For a while autopilot has not noticed what has just gone.
            if watch.gone[former] < at < watch.gone[latter] + 1
        ]
        assert any(set(ids) == set(SERVERS) and ids[former] != first[former] for ids in between), (
            f"{latter} went before autopilot had called {former}'s successor healthy"
        )
    assert "unchanged" in stack.vdc("up", "--yes").stdout
