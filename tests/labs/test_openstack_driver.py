"""The driver of OpenStack's servers against the real API; nothing boots here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from openstack.connection import Connection

from labs.cloud_faults import Fault
from labs.openstack import Lab, openstack_lab
from labs.openstack.cloud import CLOUD, EXTERNAL, IMAGE, REGION, ZONES, belongings, member
from nomad_lab import wait_for
from vdc.errors import ForeignNodeError, NodeError
from vdc.plan.model import Size
from vdc.plan.tags import tags
from vdc.provider.door import Door
from vdc.provider.drivers.openstack.cloud import Cloud
from vdc.provider.drivers.openstack.driver import OpenstackDriver
from vdc.provider.drivers.openstack.model import Template
from vdc.provider.drivers.openstack.reaping import owners, reap
from vdc.provider.drivers.openstack.trail import Step, Trail, folder

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

T = TypeVar("T")
ONE, TWO = "dc-north-workers-0", "dc-north-workers-1"
OWNER = "dev/north/workers"
ADDRESS = "10.60.0.50"


@dataclass
class User:
    """Somebody with a project, a network, and drivers of one group in it.

    Attributes:
        api: The same cloud, past the driver.
        network: Their network's id.
        revoked: Nodes that the driver has kept out.
    """

    api: Connection
    network: str
    revoked: list[str]

    def driver(self, *, expires: str = "", **template: Any) -> OpenstackDriver:
        """As one run makes it."""
        whose = tags("dc", "dev", "north", "workers", expires)
        wanted = Template(
            realm="realm",
            tags=tuple(sorted(whose.items())),
            prefix="dc-north-workers",
            names=(ONE, TWO),
            image=IMAGE,
            flavor="",
            size=Size(1000, 512, 1024),
            network="net",
        )
        step = Step(owner=OWNER, realm="realm", datacenter="dc", cloud=CLOUD, region=REGION)
        return OpenstackDriver(
            replace(wanted, **template),
            lambda name, secret: f"#cloud-config\nhostname: {name}\n# {secret}\n",
            Cloud(CLOUD, REGION),
            Door(self._joined, self._admit, self._revoke),
            Trail(folder("dev"), step),
            "dc-",
        )

    async def _joined(self, _: str) -> bool:
        return False

    async def _admit(self, _: str) -> str:
        return "secret"

    async def _revoke(self, name: str) -> None:
        self.revoked.append(name)

    def server(self, name: str) -> Any:
        """The only server of a name."""
        (found,) = (each for each in self.api.compute.servers() if each.name == name)
        return found

    def floating(self) -> list[tuple[str, list[str]]]:
        """What each floating address leads to, and its tags."""
        return [(each.fixed_ip_address, each.tags) for each in self.api.network.ips()]


def run(work: Coroutine[Any, Any, T]) -> T:
    """In an event loop of its own, as every run of the provider has."""
    return asyncio.run(work)


async def made(driver: OpenstackDriver, *names: str) -> OpenstackDriver:
    await driver.owned()
    await asyncio.gather(*map(driver.create, names))
    return driver


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def api(lab: Lab) -> Iterator[Connection]:
    """A network with a way out."""
    with lab.network.entered(), closing(member(lab.clouds)) as api:
        network = api.network.create_network(name="net")
        subnet = api.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.60.0.0/24")
        outside = api.network.find_network(EXTERNAL, ignore_missing=False)
        router = api.network.create_router(
            name="out", external_gateway_info={"network_id": outside.id}
        )
        api.network.add_interface_to_router(router, subnet_id=subnet.id)
        yield api


@pytest.fixture
def user(
    lab: Lab, api: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[User]:
    """With nothing but the network, before and after."""
    monkeypatch.setenv("VDC_HOME", str(tmp_path))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.clouds))
    before = sorted(belongings(api))
    network = api.network.find_network("net", ignore_missing=False)
    user = User(api, network.id, [])
    yield user
    run(user.driver().clear())
    assert sorted(belongings(api)) == before


def test_a_server_bears_the_marks_and_goes_when_the_cloud_says_so(user: User) -> None:
    driver = run(made(user.driver(zones=ZONES), ONE, TWO))
    facts = run(driver.owned())
    assert {name: node.state for name, node in facts.items()} == {ONE: "running", TWO: "running"}
    one = user.server(ONE)
    assert one.metadata["vdc-stack"] == "dev"
    assert one.metadata["vdc-group"] == "workers"
    assert one.has_config_drive
    assert one.flavor.name == "tiny"
    assert [user.server(name).availability_zone for name in (ONE, TWO)] == [*ZONES]
    assert dict(facts[ONE].facts)["address"].startswith("10.60.0.")
    assert "server" in run(driver.explain(ONE))
    run(driver.delete(ONE))
    assert [each.name for each in user.api.compute.servers()] == [TWO]
    run(driver.delete(ONE))  # gone already
    assert user.revoked == [ONE, ONE]


def test_somebody_elses_server_is_not_touched(user: User) -> None:
    theirs = user.api.compute.create_server(
        name=ONE,
        flavor_id=user.api.compute.find_flavor("tiny").id,
        image_id=user.api.image.find_image(IMAGE).id,
        networks=[{"uuid": user.network}],
        metadata={"vdc-stack": "dev", "vdc-realm": "another's", "vdc-node": ONE},
    )
    user.api.compute.wait_for_server(theirs, interval=3)
    driver = user.driver()
    assert run(driver.owned()) == {}
    with pytest.raises(ForeignNodeError, match=theirs.id):
        run(driver.create(ONE))
    run(driver.delete(ONE))
    run(driver.clear())
    assert user.server(ONE).id == theirs.id
    user.api.compute.delete_server(theirs)
    user.api.compute.wait_for_delete(theirs, interval=3)


def test_expiry_and_floating_address_change_on_the_running_server(user: User) -> None:
    run(made(user.driver(), ONE))
    before = user.server(ONE)
    changed = user.driver(expires="2036-12-31", floating_ip=True)
    (node,) = run(changed.owned()).values()
    assert node.digest != changed.digest
    assert changed.in_place(node)
    assert run(changed.create(ONE)).digest == changed.digest
    assert user.server(ONE).metadata["vdc-expires"] == "2036-12-31"
    ((leads_to, marks),) = user.floating()
    assert leads_to == dict(node.facts)["address"]
    assert "vdc-stack=dev" in marks
    run(changed.create(ONE))
    assert len(user.floating()) == 1, "the same address"
    back = user.driver()
    run(made(back, ONE))
    assert user.floating() == []
    now = user.server(ONE)
    assert "vdc-expires" not in now.metadata
    assert (now.id, now.metadata["vdc-digest"]) == (before.id, back.digest)


def test_another_template_is_another_server(user: User) -> None:
    run(made(user.driver(), ONE))
    before = user.server(ONE).id
    changed = user.driver(flavor="small")
    (node,) = run(changed.owned()).values()
    assert not changed.in_place(node)
    run(changed.create(ONE))
    now = user.server(ONE)
    assert now.id != before
    assert now.flavor.name == "small"


def test_a_declared_address_stays_with_its_node(user: User) -> None:
    told = {"dialled": ((ONE, ADDRESS),)}
    driver = run(made(user.driver(**told), ONE))
    facts = dict(run(driver.owned())[ONE].facts)
    assert (facts["address"], facts["rpc"]) == (ADDRESS, "4647")
    (port,) = user.api.network.ports(name=ONE)
    assert "vdc-stack=dev" in port.tags
    run(driver.delete(ONE))
    assert [each.id for each in user.api.network.ports(name=ONE)] == [port.id], "for its successor"
    run(driver.create(ONE))
    assert user.server(ONE).addresses["net"][0]["addr"] == ADDRESS
    run(driver.delete(ONE))
    assert run(driver.clear()) == []
    assert list(user.api.network.ports(name=ONE)) == []


def test_an_address_that_somebody_has_is_not_taken(user: User) -> None:
    theirs = user.api.network.create_port(
        network_id=user.network, name="theirs", fixed_ips=[{"ip_address": ADDRESS}]
    )
    with pytest.raises(ForeignNodeError, match=f"{ADDRESS} belongs to port theirs"):
        run(user.driver(dialled=((ONE, ADDRESS),)).create(ONE))
    with pytest.raises(NodeError, match=r"10\.99\.0\.1 is in no subnet of the network"):
        run(user.driver(dialled=((ONE, "10.99.0.1"),)).create(ONE))
    user.api.network.delete_port(theirs)


def test_a_server_that_was_switched_off_is_started(user: User) -> None:
    run(made(user.driver(), ONE))
    before = user.server(ONE)
    user.api.compute.stop_server(before)
    user.api.compute.wait_for_server(before, status="SHUTOFF", interval=3)
    driver = user.driver()
    assert run(driver.owned())[ONE].state == "stopped"
    assert run(driver.create(ONE)).state == "running"
    assert user.server(ONE).id == before.id


def test_a_server_that_failed_is_told_of_and_then_made_anew(lab: Lab, user: User) -> None:
    driver = user.driver()
    with (
        lab.fault(Fault(f"SPAWN {ONE}", "fail", times=9)),
        pytest.raises(NodeError, match=r"cloud lab: the server is in state ERROR: .*asked to fail"),
    ):
        run(driver.create(ONE))
    assert run(driver.owned())[ONE].state == "partial"
    ill = user.server(ONE).id
    run(made(driver, ONE))
    assert user.server(ONE).id != ill


def test_one_that_was_left_while_it_was_made_is_waited_for(lab: Lab, user: User) -> None:
    async def cut() -> None:
        task = asyncio.create_task(user.driver().create(ONE))
        await asyncio.to_thread(wait_for, "it", lambda: list(user.api.compute.servers()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with lab.fault(Fault(f"SPAWN {ONE}", "delay", seconds=10)):
        run(cut())
        begun = user.server(ONE).id
        run(made(user.driver(), ONE))
    assert user.server(ONE).id == begun


def test_a_lost_answer_is_found_again(lab: Lab, user: User) -> None:
    told = {"dialled": ((ONE, ADDRESS),), "floating_ip": True}
    with (
        lab.fault(Fault("POST nova/v2.1/servers", "lose")) as server,
        lab.fault(Fault("POST neutron/v2.0/ports", "lose")) as port,
    ):
        run(made(user.driver(**told), ONE))
        assert (len(server()), len(port())) == (1, 1)
    assert user.server(ONE).addresses["net"][0]["addr"] == ADDRESS
    assert len(list(user.api.network.ports(name=ONE))) == 1
    assert len(user.floating()) == 1


def test_what_nobody_recorded_is_found_by_this_users_trail(user: User) -> None:
    run(made(user.driver(dialled=((ONE, ADDRESS),)), ONE))
    assert owners("dev") == {OWNER}
    assert run(reap("dev", {OWNER})) == []
    assert run(reap("dev", set())) == [ONE]
    assert owners("dev") == set()
    assert list(user.api.compute.servers()) == []
    assert list(user.api.network.ports(name=ONE)) == []


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"image": "nowhere"}, "there is no image nowhere"),
        ({"flavor": "huge"}, "there is no flavour huge; the cloud offers large, medium, small"),
        (
            {"flavor": "tiny", "size": Size(1000, 16_384, 1024)},
            "flavour tiny has 512 MiB of memory and not 16,384",
        ),
        ({"network": "nowhere"}, "there is no network nowhere"),
        ({"size": Size(64_000, 1, 1)}, "no flavour has 64 vCPUs"),
        ({"zones": ("mars",)}, "cloud lab: creation: The requested availability zone is not avail"),
        ({"key_pair": "nobody"}, "cloud lab: creation: Invalid key_name provided"),
    ],
)
def test_what_the_cloud_has_not_is_one_line(
    user: User, template: dict[str, Any], said: str
) -> None:
    with pytest.raises(NodeError) as caught:
        run(user.driver(**template).create(ONE))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(user.api.compute.servers()) == []
