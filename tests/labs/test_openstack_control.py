"""The control plane in an OpenStack cloud: servers at declared addresses that fetch themselves."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator

import pytest

from e2e.eventually import eventually, settled
from labs.openstack import Lab, openstack_lab
from labs.openstack.stack import SITE, Standing, standing
from labs.release import offered, server_release
from labs.servers import ready_by
from vdc.bootstrap.layout import POOL_PORT
from vdc.declaration.rules import CONTROL_GROUP

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

ADDRESSES = ["10.60.0.201", "10.60.0.202", "10.60.0.203"]
SERVER = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def cloud(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Three control servers and a work node; destroyed with nothing left."""
    release = server_release(tmp_path_factory.mktemp("dist"))
    with offered(lab.network, release) as bundle, standing(lab, "core") as made:
        made.declare_site(
            {"bundle": bundle},
            control={
                "site": SITE,
                "servers": len(ADDRESSES),
                "addresses": ADDRESSES,
                "size": SERVER,
            },
            workers={"count": 1},
        )
        made.stack.vdc("up", "--yes")
        yield made


def test_every_server_in_the_cloud_answers_for_a_pool_with_a_work_node(cloud: Standing) -> None:
    for address in ADDRESSES:
        asked = functools.partial(ready_by, cloud.stack, address)
        assert settled(asked, cloud.names(1)) == cloud.names(1)
    assert cloud.stack.profile.address == f"https://{ADDRESSES[0]}:{POOL_PORT}"
    assert "unchanged" in cloud.stack.vdc("up", "--yes").stdout


def test_only_servers_are_dialled_from_elsewhere(cloud: Standing) -> None:
    groups = {group.id: group.name for group in cloud.api.network.security_groups()}
    found = {}
    for port in cloud.ports():
        rules = [
            rule.port_range_min
            for group in port.security_group_ids
            for rule in cloud.api.network.security_group_rules(security_group_id=group)
            if rule.direction == "ingress" and rule.remote_group_id is None
        ]
        found[port.fixed_ips[0]["ip_address"]] = sorted(rules)
    assert groups
    for address in ADDRESSES:
        assert found.pop(address) == sorted([4646, 4647, 4650] * 2)
    assert list(found.values()) == [[]]


def test_a_server_that_is_lost_comes_back_at_its_address_and_no_other_machine_goes(
    cloud: Standing,
) -> None:
    before = cloud.servers()
    # The oldest: the cloud lists the one that takes its place after all others.
    lost = min(
        (server for server in cloud.api.compute.servers() if CONTROL_GROUP in server.name),
        key=lambda server: (server.created_at, server.id),
    ).name
    cloud.api.compute.delete_server(before[lost])
    eventually("it is gone", lambda: lost not in cloud.servers())
    cloud.stack.vdc("up", "--yes", "--refresh")
    after = cloud.servers()
    assert {name for name in before if after[name] != before[name]} == {lost}
    for address in ADDRESSES:
        known = functools.partial(ready_by, cloud.stack, address)
        assert settled(known, cloud.names(1), 120) == cloud.names(1)
    assert "unchanged" in cloud.stack.vdc("up", "--yes").stdout
