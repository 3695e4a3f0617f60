"""A state that is lost: what it had recorded is found by its tags, and nothing else is touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from labs.aws import Lab, aws_lab
from labs.aws.lab import IMAGE_PARAMETER
from labs.aws.stack import CIDR, Standing, belongings, standing
from labs.cloud_faults import Fault

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with aws_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture
def foreign(lab: Lab) -> list[str]:
    """What somebody else has in the same account, and another stack of the same data centre."""
    before = belongings(lab)
    theirs = [
        {"Key": "vdc-datacenter", "Value": "lost"},
        {"Key": "vdc-stack", "Value": "other"},
        {"Key": "vdc-site", "Value": "cloud"},
    ]
    ec2 = lab.client("ec2")
    image = lab.client("ssm").get_parameter(Name=IMAGE_PARAMETER)["Parameter"]["Value"]
    vpc = ec2.create_vpc(
        CidrBlock="10.99.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": theirs}]
    )["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.99.0.0/20")["Subnet"]["SubnetId"]
    ec2.create_security_group(GroupName="lost-cloud", Description="somebody's", VpcId=vpc)
    ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnet, InstanceType="m6i.large",
        TagSpecifications=[{"ResourceType": "instance", "Tags": theirs}],
    )  # fmt: skip
    return sorted({*belongings(lab)} - {*before})


def forgotten(cloud: Standing) -> list[dict[str, Any]]:
    """What ``vdc reap`` lists."""
    found: list[dict[str, Any]] = json.loads(cloud.stack.vdc("reap", "-o", "json").stdout)["things"]
    return found


def vpcs_and_addresses(cloud: Standing) -> set[tuple[str, str]]:
    """Of the site, recorded or not."""
    ec2 = cloud.api("ec2")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": [CIDR]}])["Vpcs"]
    addresses = ec2.describe_addresses()["Addresses"]
    return {("vpc", it["VpcId"]) for it in vpcs} | {
        ("elastic-ip", it["AllocationId"]) for it in addresses
    }


def test_all_that_a_lost_state_had_is_found_and_nothing_foreign(
    lab: Lab, foreign: list[str]
) -> None:
    assert foreign
    with standing(lab, "lost") as cloud:
        theirs = belongings(lab)
        cloud.declare(workers={"count": 2})
        cloud.stack.vdc("up", "--yes")
        everything = belongings(lab)
        assert forgotten(cloud) == []
        cloud.stack.state.unlink()
        found = forgotten(cloud)
        print([(each["sort"], each["name"]) for each in found])
        assert belongings(lab) == everything, "nothing is removed yet"
        cloud.stack.vdc("reap", "--yes")
        assert belongings(lab) == theirs
        assert forgotten(cloud) == []


def test_what_the_plugin_made_twice_for_an_answer_that_was_lost_is_found_and_nothing_else(
    lab: Lab,
) -> None:
    """It asks again, as AWS's own libraries do, and never learns of what the first call made."""
    with standing(lab, "twice") as cloud:
        cloud.declare()
        lost = (Fault("ec2 CreateVpc", "lose"), Fault("ec2 AllocateAddress", "lose"))
        with lab.fault(lost[0]) as no_vpc, lab.fault(lost[1]) as no_address:
            cloud.stack.vdc("up", "--yes")
            assert (len(no_vpc()), len(no_address())) == (1, 1)
        assert "unchanged" in cloud.stack.vdc("up", "--yes").stdout
        made = vpcs_and_addresses(cloud)
        state = cloud.stack.pulumi("stack", "export").stdout
        orphans = {(sort, each) for sort, each in made if each not in state}
        assert sorted(sort for sort, _ in orphans) == ["elastic-ip", "vpc"]
        assert {(each["sort"], each["id"]) for each in forgotten(cloud)} == orphans
        cloud.stack.vdc("reap", "--yes")
        assert vpcs_and_addresses(cloud) == made - orphans
        assert forgotten(cloud) == []
        assert "unchanged" in cloud.stack.vdc("up", "--yes").stdout
