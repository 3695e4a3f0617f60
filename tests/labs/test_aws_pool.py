"""Groups of AWS in a whole data centre, with the control plane on this side."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.caller import calling
from e2e.eventually import eventually, settled
from labs.aws import Lab, aws_lab
from labs.aws.stack import GROUP, SITE, Standing, standing

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@desk"
SITE_OF_OURS = {"access": {"key": KEY, "from": ["10.0.0.0/8"]}, "expires": "2036-12-31"}
OURS = {
    "vdc-datacenter": "rack",
    "vdc-stack": "rack",
    "vdc-site": SITE,
    "vdc-expires": "2036-12-31",
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with aws_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Iterator[Standing]:
    """A server here and two nodes in the cloud; destroyed with nothing left."""
    with standing(lab, "rack") as made:
        declare(made, 2)
        made.stack.vdc("up", "--yes")
        yield made


def declare(cloud: Standing, count: int, **more: Any) -> None:
    cloud.declare(SITE_OF_OURS, workers={"count": count, "spot": {"on_demand": 1}, **more})


@contextmanager
def serving(cloud: Standing) -> Iterator[None]:
    """Meanwhile a service of three instances is called all the time, and always answers."""
    with cloud.stack.pool() as pool:
        pool.install("hello", "web", {"count": 3})
    with calling(cloud.stack, "web-http") as caller:
        yield
    print(f"{caller.answered} requests answered, {caller.refused} connections refused")
    assert not caller.failures


def drained(cloud: Standing, instance: str) -> bool:
    """Whether the node of an instance takes no work any more, and has moved what it had."""
    with cloud.stack.scheduler() as scheduler:
        nodes = scheduler.get("/v1/nodes").json()
    (node,) = (it for it in nodes if it["Name"] == cloud.name(instance))
    return node["SchedulingEligibility"] == "ineligible" and not node["Drain"]


def tags(of: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in of.get("Tags", ())}


def test_instances_are_one_pool_and_a_second_run_has_nothing_to_do(cloud: Standing) -> None:
    assert len(cloud.machines()) == 2
    assert cloud.stack.ready() == cloud.nodes()
    said = cloud.stack.vdc("up", "--yes").stdout
    assert "unchanged" in said
    assert not [word for word in ("created", "updated", "deleted", "replaced") if word in said]


def test_the_security_group_has_exactly_the_declared_rules(cloud: Standing) -> None:
    ec2 = cloud.api("ec2")
    found = ec2.describe_security_groups()["SecurityGroups"]
    (group,) = (it for it in found if it["GroupName"] != "default")
    rules = {
        (
            rule["IsEgress"],
            rule["IpProtocol"],
            rule.get("FromPort", -1),
            rule.get("ToPort", -1),
            rule.get("CidrIpv4")
            or rule.get("CidrIpv6")
            or rule.get("ReferencedGroupInfo", {}).get("GroupId"),
        )
        for rule in ec2.describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}]
        )["SecurityGroupRules"]
    }
    assert rules == {
        (True, "-1", -1, -1, "0.0.0.0/0"),
        (True, "-1", -1, -1, "::/0"),
        (False, "-1", -1, -1, group["GroupId"]),
        (False, "tcp", 22, 22, "10.0.0.0/8"),
    }
    for machine in cloud.machines().values():
        assert [it["GroupId"] for it in machine["SecurityGroups"]] == [group["GroupId"]]


def test_everything_says_whose_it_is(cloud: Standing) -> None:
    ec2 = cloud.api("ec2")
    for machine in cloud.machines().values():
        assert {**OURS, "vdc-group": GROUP}.items() <= tags(machine).items()
        assert machine["MetadataOptions"]["HttpTokens"] == "required"
        assert machine["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (vpc,) = (it for it in ec2.describe_vpcs()["Vpcs"] if not it["IsDefault"])
    chosen = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    made = [vpc, *ec2.describe_subnets(Filters=chosen)["Subnets"]]
    made += ec2.describe_nat_gateways()["NatGateways"]
    made += ec2.describe_launch_templates()["LaunchTemplates"]
    for each in made:
        assert OURS.items() <= tags(each).items()


def test_machines_run_over_zones_and_some_at_the_market(cloud: Standing) -> None:
    machines = cloud.machines().values()
    assert len({it["Placement"]["AvailabilityZone"] for it in machines}) == 2
    assert sorted(str(it.get("InstanceLifecycle")) for it in machines) == ["None", "spot"]


def test_no_key_is_in_what_the_api_gives_away(cloud: Standing) -> None:
    for identity in cloud.machines():
        said = cloud.api("ec2").describe_instance_attribute(
            InstanceId=identity, Attribute="userData"
        )
        told = base64.b64decode(said["UserData"]["Value"])
        assert len(told) <= 16384
        assert b"PRIVATE KEY" not in told
    held = cloud.stack.pulumi("stack", "export").stdout
    state = json.loads(held)["deployment"]["resources"]
    (enrolment,) = (each for each in state if each["type"] == "vdc:cloud:Enrolment")
    assert "secret" in enrolment["outputs"]
    assert isinstance(enrolment["outputs"]["secret"], dict), "kept as a secret of Pulumi's"


def test_work_reaches_no_metadata_and_the_node_does(cloud: Standing) -> None:
    node = cloud.boots.node(next(iter(cloud.machines())))
    ask = (
        *("curl", "--silent", "--max-time", "3", "--output", "/dev/null"),
        *("--request", "PUT", "--header", "X-aws-ec2-metadata-token-ttl-seconds: 60"),
        "http://169.254.169.254/latest/api/token",
    )
    node.run(*ask)
    with pytest.raises(AssertionError):
        node.run("setpriv", "--reuid", "vdc-work", "--regid", "vdc-work", "--clear-groups", *ask)


def test_an_instance_that_is_ended_by_hand_is_replaced_alone(cloud: Standing) -> None:
    before = cloud.ids()
    lost, kept = sorted(cloud.machines())
    cloud.api("ec2").terminate_instances(InstanceIds=[lost])
    eventually("it is gone", lambda: lost not in cloud.machines())
    cloud.stack.vdc("up", "--yes", "--refresh")
    assert settled(cloud.stack.ready, cloud.nodes()) == cloud.nodes()
    assert len(cloud.machines()) == 2
    assert cloud.ids()[cloud.name(kept)] == before[cloud.name(kept)]
    assert cloud.name(lost) not in cloud.stack.ready()


def test_work_answers_from_two_to_four_to_two_and_from_another_image(
    lab: Lab, cloud: Standing
) -> None:
    first = cloud.ids().items() & {(n, i) for n, i in cloud.ids().items() if n in cloud.nodes()}
    declare(cloud, 4)
    cloud.stack.vdc("up", "--yes")
    assert len(cloud.machines()) == 4
    assert cloud.stack.ready() == cloud.nodes()
    assert first <= cloud.ids().items()
    with serving(cloud):
        before = set(cloud.machines())
        declare(cloud, 2)
        cloud.stack.vdc("up", "--yes")
        after = set(cloud.machines())
        assert len(after) == 2
        assert after < before
        assert cloud.fleet()["DesiredCapacity"] == 2
        newer = lab.publish({"/etc/motd": "newer\n"})
        cloud.stack.vdc("up", "--yes")
    assert {it["ImageId"] for it in cloud.machines().values()} == {newer}
    assert not set(cloud.machines()) & after, "both are other machines"
    assert cloud.stack.ready() == cloud.nodes()
    for identity in cloud.machines():
        assert cloud.boots.node(identity).run("cat", "/etc/motd") == "newer\n"


def test_what_the_group_ends_moves_its_work_and_says_itself_that_it_may_go(
    cloud: Standing,
) -> None:
    """No run of ours is at work meanwhile: nobody else can give the word that the hook awaits."""
    scaling = cloud.api("autoscaling")
    named = {"AutoScalingGroupName": cloud.fleet()["AutoScalingGroupName"]}
    (hook,) = scaling.describe_lifecycle_hooks(**named)["LifecycleHooks"]
    gone = sorted(cloud.machines())[0]
    with serving(cloud):
        begun = time.monotonic()
        scaling.terminate_instance_in_auto_scaling_group(
            InstanceId=gone, ShouldDecrementDesiredCapacity=False
        )
        eventually("it is drained", lambda: drained(cloud, gone))
        eventually("it ends", lambda: gone not in cloud.machines())
        assert time.monotonic() - begun < hook["HeartbeatTimeout"] / 2
        eventually("another joins", lambda: cloud.stack.ready() == cloud.nodes(), 180)
    assert len(cloud.machines()) == 2
    cloud.stack.vdc("up", "--yes", "--refresh")
    assert cloud.stack.ready() == cloud.nodes()


def test_a_spot_notice_drains(lab: Lab, cloud: Standing) -> None:
    spot = next(k for k, it in cloud.machines().items() if it.get("InstanceLifecycle") == "spot")
    with serving(cloud):
        lab.wishes.take_back(spot, within_s=120)
        eventually("it is drained", lambda: drained(cloud, spot))
        assert spot in cloud.machines(), "before the market ends it"
        lab.wishes.take_back(spot, within_s=0)
        eventually("the group replaces it", lambda: len(set(cloud.machines()) - {spot}) == 2)
        eventually("another joins", lambda: cloud.stack.ready() == cloud.nodes(), 180)
    cloud.stack.vdc("up", "--yes", "--refresh")
    assert cloud.stack.ready() == cloud.nodes()
