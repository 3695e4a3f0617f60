"""The lab's OpenStack itself, as a user of its API meets it: what runs, what can go wrong."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from openstack.connection import Connection
from openstack.exceptions import HttpException, ResourceFailure
from openstack.network.v2.network import Network

from labs import cgroups
from labs.cloud_faults import Fault
from labs.openstack import Lab, openstack_lab
from labs.openstack.cloud import IMAGE, ZONES, belongings, member, offer_image
from nomad_lab import wait_for
from vdc.provider.processes import belonging_to

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

USER_DATA = "#cloud-config\nwrite_files:\n  - {path: /var/lib/read, content: grüß dich}\n"


@dataclass(frozen=True)
class Project:
    """What a user of the cloud has."""

    api: Connection
    network: Network

    def start(self, name: str, **more: object) -> str:
        """Asks for a server; its id."""
        port = self.api.network.create_port(network_id=self.network.id, name=name)
        server = self.api.compute.create_server(
            name=name,
            flavor_id=self.api.compute.find_flavor("small").id,
            image_id=self.api.image.find_image(IMAGE).id,
            networks=[{"port": port.id}],
            user_data=base64.b64encode(USER_DATA.encode()).decode(),
            **more,
        )
        return str(server.id)

    def active(self, server: str) -> None:
        """Returns when it is active."""
        found = self.api.compute.get_server(server)
        self.api.compute.wait_for_server(found, interval=1, wait=60)

    def names(self) -> list[str]:
        """Every server's."""
        return sorted(server.name for server in self.api.compute.servers())


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def network(lab: Lab) -> Iterator[Project]:
    """A member of the cloud, as its clouds.yaml says, with a network of its own."""
    with lab.network.entered(), member(lab.clouds) as api:
        network = api.network.create_network(name="net")
        api.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.60.0.0/24")
        yield Project(api, network)


@pytest.fixture
def project(network: Project) -> Iterator[Project]:
    """Without servers or ports, before and after."""
    yield network
    for server in network.api.compute.servers():
        network.api.compute.delete_server(server)
    wait_for("servers to go", lambda: network.names() == [])
    for port in network.api.network.ports():
        network.api.network.delete_port(port)


def remains(lab: Lab) -> list[str]:
    """Whatever of a lab is still on this machine."""
    return [
        *map(str, belonging_to(lab.folder)),
        *map(str, Path("/run/netns").glob(f"vdc*-{lab.name}*")),
        *map(str, cgroups.named(f"vdc-lab-{lab.name}-*")),
        *([str(lab.folder)] if lab.folder.exists() else []),
    ]


def test_what_the_api_shows_runs_until_it_is_deleted(lab: Lab, project: Project) -> None:
    with lab.boots() as boots:
        server = project.start("one")
        node = boots.node(server)
        node.booted()
        assert node.run("cat", "/var/lib/read") == "grüß dich"
        assert node.run("hostname").strip() == "one"
        (port,) = project.api.network.ports(device_id=server)
        shown = port.fixed_ips[0]["ip_address"]
        assert f" {shown}/24 " in node.run("ip", "-4", "-o", "address", "show", "eth0")
        node.run("ping", "-c", "1", "-W", "5", "10.88.0.254")
        project.api.compute.stop_server(server)
        wait_for("its end", lambda: not node.runs)
        project.api.compute.start_server(server)
        wait_for("its return", lambda: node.runs)
        project.api.compute.delete_server(server)
        wait_for("its disk to go", lambda: not node.folder.exists())


def test_the_user_of_the_cloud_is_no_administrator(project: Project) -> None:
    with pytest.raises(HttpException, match="403"):
        project.api.compute.create_flavor(name="mine", vcpus=1, ram=1, disk=1)
    assert [zone.name for zone in project.api.compute.availability_zones()] == list(ZONES)


def test_servers_that_must_be_apart_are_and_one_too_many_fails(project: Project) -> None:
    group = project.api.compute.create_server_group(name="apart", policy="anti-affinity")
    servers = [project.start(f"s{it}", scheduler_hints={"group": group.id}) for it in range(3)]
    states = []
    for server in servers:
        found = project.api.compute.get_server(server)
        try:
            project.api.compute.wait_for_server(found, interval=1, wait=60)
        except ResourceFailure:
            assert "No valid host" in project.api.compute.get_server(server).fault["message"]
        states.append(project.api.compute.get_server(server))
    assert sorted(it.status for it in states) == ["ACTIVE", "ACTIVE", "ERROR"]
    assert {it.availability_zone for it in states if it.status == "ACTIVE"} == set(ZONES)
    project.api.compute.delete_server_group(group)


def test_a_quota_is_a_real_one(lab: Lab, project: Project) -> None:
    with lab.quota(instances=1):
        project.start("first")
        with pytest.raises(HttpException, match="Quota exceeded for instances"):
            project.start("second")
    project.start("third")
    assert project.names() == ["first", "third"]


def test_throttling_is_met_as_often_as_asked_for(lab: Lab, project: Project) -> None:
    with lab.fault(Fault("POST nova/v2.1/servers", "throttle", times=1)) as met:
        with pytest.raises(HttpException) as refused:
            project.start("one")
        assert refused.value.response.headers["Retry-After"] == "1"
        project.start("two")
        assert met() == ["POST nova/v2.1/servers"]
    assert project.names() == ["two"]


def test_an_answer_that_is_lost_was_a_success(lab: Lab, project: Project) -> None:
    from keystoneauth1.exceptions import ConnectFailure

    with lab.fault(Fault("POST nova/v2.1/servers", "lose")), pytest.raises(ConnectFailure):
        project.start("lost")
    assert project.names() == ["lost"]


def test_a_server_goes_to_error_and_another_takes_its_time(lab: Lab, project: Project) -> None:
    with lab.fault(Fault("SPAWN bad", "fail")) as met:
        bad = project.start("bad")
        wait_for("its error", lambda: project.api.compute.get_server(bad).status == "ERROR")
        assert met() == ["SPAWN bad"]
        assert "asked to fail" in project.api.compute.get_server(bad).fault["message"]
    with lab.fault(Fault("SPAWN slow", "delay", seconds=4)):
        begun = time.monotonic()
        project.active(project.start("slow"))
        assert time.monotonic() - begun > 4


def test_an_unavailable_service_is_one_by_its_port_and_path(lab: Lab, project: Project) -> None:
    with lab.fault(Fault("GET neutron/v2.0/ports", "fail", times=9)):
        with pytest.raises(HttpException, match="503"):
            list(project.api.network.ports())
        assert [it.name for it in project.api.network.networks(name="net")] == ["net"]
    assert list(project.api.network.ports(network_id=project.network.id)) == []


def test_another_image_can_be_offered(lab: Lab, project: Project) -> None:
    with lab.administrator() as cloud:
        made = offer_image(cloud, "debian-13")
    assert project.api.image.find_image("debian-13").id == made


def test_labs_stand_side_by_side_and_leave_nothing(project: Project) -> None:
    with openstack_lab() as other:
        with other.network.entered(), member(other.clouds) as api:
            assert belongings(api) == []
        assert remains(other)
    assert remains(other) == []
    assert "network net" in belongings(project.api)
