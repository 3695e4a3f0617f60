"""The control plane in AWS: three servers at declared addresses, in two zones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.eventually import eventually, settled
from labs.aws import Lab, aws_lab
from labs.aws.stack import SITE, Standing, standing
from labs.release import offered, server_release
from labs.servers import ready_by

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

ADDRESSES = ["10.70.32.201", "10.70.64.201", "10.70.32.202"]
SERVER = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with aws_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def bundle(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where servers fetch their software."""
    with offered(lab.network, server_release(tmp_path_factory.mktemp("dist"))) as bundle:
        yield bundle


@pytest.fixture(scope="module")
def cloud(lab: Lab, bundle: dict[str, str]) -> Iterator[Standing]:
    """Three control servers and a work node; destroyed with nothing left."""
    with standing(lab, "core") as made:
        declare(made, bundle)
        made.stack.vdc("up", "--yes")
        yield made


def declare(cloud: Standing, bundle: dict[str, str], kind: str = "m5.large") -> None:
    cloud.declare(
        {"bundle": bundle, "instance_type": kind},
        control={"site": SITE, "servers": 3, "addresses": ADDRESSES, "size": SERVER},
        workers={"count": 1},
    )


def servers(cloud: Standing) -> dict[str, str]:
    """The instance at each address of a server."""
    found = {it["PrivateIpAddress"]: name for name, it in cloud.machines().items()}
    return {address: found[address] for address in ADDRESSES if address in found}


def workers(cloud: Standing) -> list[str]:
    """What the work nodes are called."""
    return sorted(cloud.name(it) for it in cloud.machines().keys() - servers(cloud).values())


def test_servers_carry_a_pool_with_a_work_node(cloud: Standing) -> None:
    assert list(servers(cloud)) == ADDRESSES
    zones = {it["Placement"]["AvailabilityZone"] for it in cloud.machines().values()}
    assert len(zones) == 2
    for address in ADDRESSES:
        assert settled(lambda a=address: ready_by(cloud.stack, a), workers(cloud)) == workers(cloud)
    assert len(workers(cloud)) == 1
    said = cloud.stack.vdc("up", "--yes").stdout
    assert "unchanged" in said
    assert not [word for word in ("created", "updated", "deleted", "replaced") if word in said]


def test_only_servers_are_dialled_from_elsewhere(cloud: Standing) -> None:
    def dialled(card: dict[str, Any]) -> list[int]:
        groups = [group["GroupId"] for group in card["Groups"]]
        rules = cloud.api("ec2").describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": groups}]
        )["SecurityGroupRules"]
        return sorted(
            rule["FromPort"]
            for rule in rules
            if not rule["IsEgress"] and ("CidrIpv4" in rule or "CidrIpv6" in rule)
        )

    found = {
        it["PrivateIpAddress"]: dialled(it["NetworkInterfaces"][0])
        for it in cloud.machines().values()
    }
    for address in ADDRESSES:
        assert found.pop(address) == sorted([4646, 4647, 4650] * 2)
    assert list(found.values()) == [[]]


def test_a_server_that_is_ended_by_hand_comes_again_alone(cloud: Standing) -> None:
    before, worked = servers(cloud), workers(cloud)
    lost = ADDRESSES[1]
    cloud.api("ec2").terminate_instances(InstanceIds=[before[lost]])
    eventually("it is gone", lambda: lost not in servers(cloud))
    cloud.stack.vdc("up", "--yes", "--refresh")
    after = servers(cloud)
    assert {address for address in ADDRESSES if before[address] != after[address]} == {lost}
    assert settled(lambda: ready_by(cloud.stack, lost), worked, 300) == worked


def test_another_type_replaces_servers_one_after_the_other(
    cloud: Standing, bundle: dict[str, str]
) -> None:
    before, worked = servers(cloud), workers(cloud)
    declare(cloud, bundle, "m5.xlarge")
    cloud.stack.vdc("up", "--yes")
    after = servers(cloud)
    assert list(after) == ADDRESSES
    assert not set(before.values()) & set(after.values())
    # Whoever is asked knows what the first servers knew: the work node, with its own token.
    for address in ADDRESSES:
        assert settled(lambda a=address: ready_by(cloud.stack, a), worked, 300) == worked
    with cloud.stack.pool() as pool:
        assert pool.install("hello", "web", {"count": 1}).status == "healthy"
        pool.stop("web", purge=True)
