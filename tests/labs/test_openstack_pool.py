"""Servers of an OpenStack cloud in a whole data centre, with the control plane on this side."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from e2e.caller import calling
from e2e.eventually import eventually, settled
from labs.openstack import Lab, openstack_lab
from labs.openstack.cloud import offer_image
from labs.openstack.stack import GROUP, KEY, SITE, Standing, standing

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

SITE_OF_OURS = {
    "access": {"key": KEY, "from": ["10.0.0.0/8", "2001:db8::/32"]},
    "expires": "2036-12-31",
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Iterator[Standing]:
    """A server here and two in the cloud; destroyed with nothing left."""
    with standing(lab, "rack") as made:
        declare(made, 2)
        made.stack.vdc("up", "--yes")
        yield made


def declare(cloud: Standing, count: int, **more: object) -> None:
    cloud.declare_site(SITE_OF_OURS, workers={"count": count, **more})


def test_servers_are_one_pool_and_a_second_run_has_nothing_to_do(cloud: Standing) -> None:
    assert cloud.stack.ready() == cloud.names(2)
    assert sorted(cloud.servers()) == cloud.names(2)
    said = cloud.stack.vdc("up", "--yes").stdout
    assert "unchanged" in said
    assert not [word for word in ("created", "updated", "deleted", "replaced") if word in said]


def test_the_security_group_has_exactly_the_declared_rules(cloud: Standing) -> None:
    (group,) = (each for each in cloud.api.network.security_groups() if each.name != "default")
    rules = {
        (
            rule.direction,
            rule.ether_type,
            rule.protocol,
            rule.port_range_min,
            rule.port_range_max,
            rule.remote_ip_prefix,
            rule.remote_group_id and "itself" * (rule.remote_group_id == group.id),
        )
        for rule in cloud.api.network.security_group_rules(security_group_id=group.id)
    }
    assert rules == {
        ("egress", "IPv4", None, None, None, None, None),
        ("egress", "IPv6", None, None, None, None, None),
        ("ingress", "IPv4", None, None, None, None, "itself"),
        ("ingress", "IPv6", None, None, None, None, "itself"),
        ("ingress", "IPv4", "tcp", 22, 22, "10.0.0.0/8", None),
        ("ingress", "IPv6", "tcp", 22, 22, "2001:db8::/32", None),
    }
    assert [port.security_group_ids for port in cloud.ports()] == [[group.id]] * 2


def test_everything_says_whose_it_is(cloud: Standing) -> None:
    ours = {
        "vdc-datacenter": "rack",
        "vdc-stack": "rack",
        "vdc-site": SITE,
        "vdc-expires": "2036-12-31",
    }
    for server in cloud.api.compute.servers():
        assert {**ours, "vdc-group": GROUP}.items() <= server.metadata.items()
    network = cloud.api.network
    own = cloud.api.current_project_id
    for listed in (network.networks, network.subnets, network.routers, network.security_groups):
        made = [each for each in listed(project_id=own) if each.name != "default"]
        assert made
        for each in made:
            assert {f"{key}={value}" for key, value in ours.items()} <= set(each.tags)


def test_no_key_of_a_node_is_anywhere_but_on_it(lab: Lab, cloud: Standing) -> None:
    with lab.administrator() as administrator:
        for server in administrator.compute.servers(details=True, all_projects=True):
            assert server.user_data
        for node in cloud.boots.nodes.values():
            assert b"PRIVATE KEY" not in (node.folder / "seed" / "user-data").read_bytes()
    held = cloud.stack.pulumi("stack", "export", "--show-secrets").stdout
    state = json.loads(held)["deployment"]["resources"]
    (group,) = (each for each in state if each["type"] == "vdc:openstack:NodeGroup")
    # The provider's own way to the scheduler apart, which a node never gets.
    inputs = {key: value for key, value in group["inputs"].items() if key != "scheduler"}
    assert "PRIVATE KEY" not in json.dumps([inputs, group["outputs"].get("nodes")])


def test_a_server_that_is_deleted_by_hand_is_restored_alone(cloud: Standing) -> None:
    before, servers = cloud.ids(), cloud.servers()
    lost, kept = cloud.names(2)
    cloud.api.compute.delete_server(servers[lost])
    eventually("it is gone", lambda: lost not in cloud.servers())
    shown = cloud.stack.vdc("preview", "--refresh", "--diff").stdout
    assert lost in shown
    assert f"- {kept}" not in shown
    cloud.stack.vdc("up", "--yes", "--refresh")
    assert settled(cloud.stack.ready, cloud.names(2)) == cloud.names(2)
    assert cloud.ids()[kept] == before[kept]
    assert cloud.ids()[lost] != before[lost]
    assert cloud.servers()[kept] == servers[kept]


def test_a_reboot_leaves_the_same_node(cloud: Standing) -> None:
    name, before = cloud.names(1)[0], cloud.ids()
    cloud.boots.power_off(cloud.servers()[name])
    eventually("the pool notices", lambda: name not in cloud.stack.ready())
    cloud.boots.reboot(cloud.servers()[name])
    eventually("it is back", lambda: cloud.stack.ready() == cloud.names(2), 180)
    assert cloud.ids() == before


def test_work_answers_from_two_to_four_to_two_and_from_another_image(
    lab: Lab, cloud: Standing
) -> None:
    first = cloud.ids()
    declare(cloud, 4)
    cloud.stack.vdc("up", "--yes")
    assert cloud.stack.ready() == cloud.names(4)
    before = cloud.ids()
    assert first.items() <= before.items()
    with cloud.stack.pool() as pool:
        pool.install("hello", "web", {"count": 3})
    with lab.administrator() as administrator:
        newer = offer_image(administrator, "debian-12.1")
    with calling(cloud.stack, "web-http") as caller:
        declare(cloud, 2)
        shown = cloud.stack.vdc("preview", "--diff").stdout
        assert all(f"- {name}" in shown for name in cloud.names(4)[2:])
        cloud.stack.vdc("up", "--yes")
        assert sorted(cloud.servers()) == cloud.names(2)
        assert cloud.ids() == {name: before[name] for name in cloud.names(2)}
        declare(cloud, 2, image="debian-12.1")
        cloud.stack.vdc("up", "--yes")
    print(f"{caller.answered} requests answered, {caller.refused} connections refused")
    assert not caller.failures
    assert cloud.stack.ready() == cloud.names(2)
    assert not set(cloud.ids().values()) & set(before.values()), "both are other machines"
    images = {server.image.id for server in cloud.api.compute.servers()}
    assert images == {newer}
