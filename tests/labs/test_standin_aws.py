"""Right programs through the real engine and the stand-in for AWS, against moto's API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from labs.standin import program as programs
from labs.standin.declared import Package
from provider.moto_server import REGION, moto_server, surroundings

pytestmark = [pytest.mark.real, pytest.mark.long]

PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl lab"
PROGRAM = Path(programs.__file__).with_name("programs") / "aws.py"


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An AWS of this test's own: the environment that leads to it, here too."""
    with moto_server(all_images=True) as address:
        environment = {**surroundings(address), "AWS_DEFAULT_REGION": REGION}
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        boto3.setup_default_session()
        yield environment


def standing() -> dict[str, int]:
    """How many of each kind are there, without what every account has."""
    ec2, scaling, iam = (boto3.client(name) for name in ("ec2", "autoscaling", "iam"))
    running = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopped"]}]
    return {
        "vpcs": sum(not vpc["IsDefault"] for vpc in ec2.describe_vpcs()["Vpcs"]),
        "gateways": len(ec2.describe_internet_gateways()["InternetGateways"]),
        "addresses": len(ec2.describe_addresses()["Addresses"]),
        "templates": len(ec2.describe_launch_templates()["LaunchTemplates"]),
        "instances": len(ec2.describe_instances(Filters=running)["Reservations"]),
        "fleets": len(scaling.describe_auto_scaling_groups()["AutoScalingGroups"]),
        "keys": len(ec2.describe_key_pairs()["KeyPairs"]),
        "roles": len(iam.list_roles()["Roles"]),
        "profiles": len(iam.list_instance_profiles()["InstanceProfiles"]),
    }


def fleet(name: str) -> Any:
    groups = boto3.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return next(g for g in groups if g["AutoScalingGroupName"].startswith(f"{name}-"))


def test_everything_is_made_kept_changed_refreshed_and_removed(tmp_path, amazon):
    stack = programs.program(tmp_path / "program", **amazon)
    settings = {"image": PARAMETER, "key": KEY, "words": "one"}
    stack.configure(settings)

    before = standing()
    assert set(before.values()) == {0}
    stack.up(PROGRAM.read_text(encoding="utf-8"))
    made = stack.resources()
    assert standing()["fleets"] == 2
    assert len(fleet("nodes")["Instances"]) == 2
    assert {p["ProcessName"] for p in fleet("nodes")["SuspendedProcesses"]} == {"AZRebalance"}
    template = made["nodes (aws:ec2/launchTemplate:LaunchTemplate)"]["outputs"]
    assert (template["latestVersion"], template["defaultVersion"]) == (1, 1)

    # What it says of them is what the SDK declares of them.
    for name, found in made.items():
        if found["type"].startswith("aws:"):
            declared = Package("aws").outputs(found["type"]) | {"id", "__defaults"}
            assert found["outputs"].keys() <= declared, name

    # Nothing has changed, whoever is asked.
    stack.up(None, "--expect-no-changes")
    stack.pulumi("refresh", "--yes", "--expect-no-changes")

    # What can be is changed in place; another fleet size is nobody's change here.
    boto3.client("autoscaling").set_desired_capacity(
        AutoScalingGroupName=fleet("nodes")["AutoScalingGroupName"], DesiredCapacity=3
    )
    ids = {name: found["id"] for name, found in made.items() if "id" in found}
    changes = {"most": "5", "heartbeat": "200", "public": "true", "tags": json.dumps({"a": "b"})}
    # moto keeps the address of a machine that has ended.
    stack.configure({**changes, "words": "two", "address": "10.70.0.11"})
    shown = stack.pulumi("preview", "--diff")
    assert "+-aws:ec2/instance:Instance: (replace)" in shown
    assert '~ version: "1" => [unknown]' in shown
    stack.up()
    now = {name: found["id"] for name, found in stack.resources().items() if "id" in found}
    assert {name for name in ids if now[name] != ids[name]} == {"server"}
    assert fleet("nodes")["MaxSize"] == 5
    assert fleet("nodes")["DesiredCapacity"] == 3
    assert fleet("nodes")["LaunchTemplate"]["Version"] == "2"
    stack.up(None, "--expect-no-changes")

    stack.pulumi("destroy", "--yes")
    assert standing() == before


LITTLE = """
import pulumi_aws as aws

vpc = aws.ec2.Vpc("net", cidr_block="10.70.0.0/16")
aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="10.70.0.0/24", tags={"a": "b"})
aws.ec2.SecurityGroup("inside", vpc_id=vpc.id)
"""


def test_what_was_done_behind_its_back_is_seen_and_mended(tmp_path, amazon):
    stack = programs.program(tmp_path / "program", **amazon)
    stack.up(LITTLE)
    made, ec2 = stack.resources(), boto3.client("ec2")
    ec2.delete_security_group(GroupId=made["inside"]["id"])
    subnet = made["subnet"]["id"]
    ec2.create_tags(Resources=[subnet], Tags=[{"Key": "a", "Value": "c"}])
    stack.pulumi("refresh", "--yes")
    left = stack.resources()
    assert "inside" not in left
    assert left["subnet"]["outputs"]["tags"] == {"a": "c"}
    said = stack.up()
    assert "+ 1 created" in said
    assert "~ 1 updated" in said
    (found,) = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    assert found["Tags"] == [{"Key": "a", "Value": "b"}]
    stack.pulumi("destroy", "--yes")


def test_what_the_cloud_refuses_is_one_line_and_the_rest_is_recorded(tmp_path, amazon):
    stack = programs.program(tmp_path / "program", **amazon)
    overlapping = 'aws.ec2.Subnet("again", vpc_id=vpc.id, cidr_block="10.70.0.0/25")\n'
    said = stack.up(LITTLE + overlapping, code=1)
    assert "CreateSubnet: InvalidSubnet.Conflict" in said
    assert "defect" not in said
    assert {"net"} <= stack.resources().keys()
    stack.up(LITTLE)
    stack.pulumi("destroy", "--yes")
    assert standing()["vpcs"] == 0
