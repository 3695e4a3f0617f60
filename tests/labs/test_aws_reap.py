"""A state that is lost: what it had recorded is found by its tags, and nothing else is touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from labs.aws import Lab, aws_lab
from labs.aws.lab import IMAGE_PARAMETER
from labs.aws.stack import belongings, standing

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


def test_all_that_a_lost_state_had_is_found_and_nothing_foreign(
    lab: Lab, foreign: list[str]
) -> None:
    assert foreign
    with standing(lab, "lost") as cloud:
        theirs = belongings(lab)
        cloud.declare(workers={"count": 2})
        cloud.stack.vdc("up", "--yes")
        everything = belongings(lab)
        assert json.loads(cloud.stack.vdc("reap", "-o", "json").stdout)["things"] == []
        cloud.stack.state.unlink()
        found = json.loads(cloud.stack.vdc("reap", "-o", "json").stdout)["things"]
        print([(each["sort"], each["name"]) for each in found])
        assert belongings(lab) == everything, "nothing is removed yet"
        cloud.stack.vdc("reap", "--yes")
        assert belongings(lab) == theirs
        assert json.loads(cloud.stack.vdc("reap", "-o", "json").stdout)["things"] == []
