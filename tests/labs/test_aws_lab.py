"""The lab itself, by plain boto3: its groups, what boots, what it refuses, what it leaves."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from labs.aws import Lab, aws_lab
from labs.aws.lab import IMAGE_PARAMETER
from labs.aws.settings import ACCOUNT, REGION, ZONES
from labs.boots import Boots
from labs.cloud_faults import Fault
from nomad_lab import wait_for
from vdc.pool.joining.identities import VERIFIERS, Evidence
from vdc.provider.drivers.aws.cloud import Aws
from vdc.provider.drivers.aws.fleet import AwsFleet
from vdc.provider.enrolment import Identity
from vdc.provider.processes import belonging_to

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

USER_DATA = b"#cloud-config\nwrite_files: [{path: /var/lib/made, content: once}]\n"
GROUP, OTHERS = "workers", "others"
HOOK = "drain"
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with aws_lab() as lab, lab.network.entered():
        yield lab


@pytest.fixture(scope="module")
def boots(lab: Lab) -> Iterator[Boots]:
    with lab.boots() as boots:
        yield boots


class Group:
    """An Auto Scaling group, its hook and its role, made with boto3."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.ec2, self.scaling = lab, lab.client("ec2"), lab.client("autoscaling")
        vpc = self.ec2.create_vpc(CidrBlock="10.70.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.70.{16 * index}.0/20", AvailabilityZone=zone
            )["Subnet"]["SubnetId"]
            for index, zone in enumerate(ZONES)
        ]
        parameter = lab.client("ssm").get_parameter(Name=IMAGE_PARAMETER)["Parameter"]
        self.data = {
            "ImageId": parameter["Value"],
            "UserData": base64.b64encode(USER_DATA).decode(),
            "IamInstanceProfile": {"Name": self.profile()},
            "InstanceRequirements": {"VCpuCount": {"Min": 2}, "MemoryMiB": {"Min": 4096}},
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": "vdc-stack", "Value": "s"}]}
            ],
        }
        self.template = self.ec2.create_launch_template(
            LaunchTemplateName="t", LaunchTemplateData=self.data
        )["LaunchTemplate"]["LaunchTemplateId"]
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=GROUP, MinSize=0, MaxSize=5, DesiredCapacity=2,
            VPCZoneIdentifier=",".join(self.subnets), NewInstancesProtectedFromScaleIn=True,
            MixedInstancesPolicy={
                "LaunchTemplate": {"LaunchTemplateSpecification": {
                    "LaunchTemplateId": self.template, "Version": "$Latest"}},
                "InstancesDistribution": {
                    "OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
            },
        )  # fmt: skip
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=OTHERS, MinSize=0, MaxSize=0, VPCZoneIdentifier=self.subnets[0],
            LaunchTemplate={"LaunchTemplateId": self.template, "Version": "$Latest"},
        )  # fmt: skip
        self.scaling.put_lifecycle_hook(
            AutoScalingGroupName=GROUP, LifecycleHookName=HOOK, HeartbeatTimeout=600,
            LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING", DefaultResult="CONTINUE",
        )  # fmt: skip

    def profile(self) -> str:
        iam = self.lab.client("iam")
        trust = {"Version": "2012-10-17", "Statement": []}
        iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(trust))
        own = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:*:autoScalingGroupName/{GROUP}"
        may = {"Effect": "Allow", "Action": "autoscaling:CompleteLifecycleAction", "Resource": own}
        document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        iam.put_role_policy(RoleName="node", PolicyName="p", PolicyDocument=document)
        iam.create_instance_profile(InstanceProfileName="node")
        iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
        return "node"

    def members(self) -> dict[str, dict[str, Any]]:
        (group,) = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])[
            "AutoScalingGroups"
        ]
        return {it["InstanceId"]: it for it in group["Instances"]}

    def machines(self) -> dict[str, dict[str, Any]]:
        """Those that are not gone."""
        found = self.ec2.describe_instances()["Reservations"]
        return {
            it["InstanceId"]: it
            for one in found
            for it in one["Instances"]
            if it["State"]["Name"] != "terminated"
        }

    def wish(self, count: int) -> None:
        self.scaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=count)

    def settled(self, count: int) -> dict[str, dict[str, Any]]:
        """Returns when exactly so many members serve."""

        def there() -> dict[str, dict[str, Any]] | None:
            found = self.members()
            serve = [it for it in found.values() if it["LifecycleState"] == "InService"]
            return found if len(serve) == len(found) == count else None

        return wait_for(f"{count} members", there, 30)


@pytest.fixture(scope="module")
def group(lab: Lab) -> Group:
    return Group(lab)


@pytest.fixture(scope="module")
def two(group: Group, boots: Boots) -> list[str]:
    """Two members that have booted."""
    group.wish(2)
    ids = sorted(group.settled(2))
    for each in ids:
        boots.node(each).booted()
    return ids


@pytest.fixture
def standing(group: Group) -> int:
    """How many members serve, four at the least; whichever tests were run before."""
    count = max(4, len(group.members()))
    group.wish(count)
    group.settled(count)
    return count


def code(call: Callable[..., Any], **arguments: Any) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


# --- without nodes: whatever asks for `boots` comes after these -----------------------------------


def test_sizes_have_bounds_and_protected_machines_stay(group: Group, standing: int) -> None:
    assert code(group.wish, count=6) == "ValidationError"
    group.wish(1)
    time.sleep(1)
    assert len(group.settled(standing)) == standing


def test_a_dead_machine_is_replaced_unless_that_is_suspended(group: Group, standing: int) -> None:
    before = set(group.members())
    first, second = sorted(before)[:2]
    group.ec2.terminate_instances(InstanceIds=[first])
    wait_for("another", lambda: first not in group.members())
    assert len(set(group.settled(standing)) & before) == standing - 1
    asked = {"AutoScalingGroupName": GROUP, "ScalingProcesses": ["ReplaceUnhealthy"]}
    group.scaling.suspend_processes(**asked)
    group.ec2.terminate_instances(InstanceIds=[second])
    wait_for("it ill", lambda: group.members()[second]["HealthStatus"] == "Unhealthy")
    group.scaling.resume_processes(**asked)
    wait_for("another", lambda: second not in group.members())
    group.settled(standing)


@pytest.mark.usefixtures("standing")
def test_a_machine_that_gave_its_word_first_does_not_stop_the_end_of_others(
    lab: Lab, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the driver's look at who waits and its word, the node of one has said its own."""
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    first, *more, stays = sorted(group.members())
    aws = Aws(ACCOUNT, REGION)

    def says_so_itself(**_: Any) -> None:
        group.scaling.complete_lifecycle_action(
            AutoScalingGroupName=GROUP, LifecycleHookName=HOOK, InstanceId=first,
            LifecycleActionResult="CONTINUE",
        )  # fmt: skip
        events.unregister(looked, says_so_itself)

    looked = "after-call.auto-scaling.DescribeLifecycleHooks"
    events = aws.client("autoscaling").meta.events
    events.register(looked, says_so_itself)
    asyncio.run(AwsFleet(aws, GROUP).end(frozenset({first, *more})))
    assert sorted(group.settled(1)) == [stays]
    assert sorted(group.machines()) == [stays]


# --- with nodes -----------------------------------------------------------------------------------


def test_members_are_spread_over_zones_and_market(group: Group, two: list[str]) -> None:
    machines = group.machines()
    assert {machines[it]["Placement"]["AvailabilityZone"] for it in two} == set(ZONES)
    assert sorted(str(machines[it].get("InstanceLifecycle")) for it in two) == ["None", "spot"]
    for each in two:
        tags = {tag["Key"]: tag["Value"] for tag in machines[each]["Tags"]}
        assert tags["vdc-stack"] == "s"
        assert tags["aws:autoscaling:groupName"] == GROUP
        assert machines[each]["InstanceType"].endswith(".large")
        assert group.members()[each]["LaunchTemplate"]["Version"] == "1"


def test_nodes_boot_from_the_user_data_that_the_api_has(
    group: Group, boots: Boots, two: list[str]
) -> None:
    for each in two:
        node, machine = boots.node(each), group.machines()[each]
        assert node.run("cat", "/var/lib/cloud/instance/user-data.txt").encode() == USER_DATA
        assert f" {machine['PrivateIpAddress']}/20 " in node.run("ip", "-4", "-o", "address")
        said = group.ec2.get_console_output(InstanceId=each)["Output"]
        assert "cloud-init" in said.lower()


def ask(boots: Boots, machine: str, path: str, token: str | None = None) -> str:
    """What the metadata service tells a node."""
    node, place = boots.node(machine), "http://169.254.169.254/latest"
    if token is None:
        ttl = ("--request", "PUT", "--header", "X-aws-ec2-metadata-token-ttl-seconds: 60")
        token = node.run("curl", "--silent", "--fail", *ttl, f"{place}/api/token")
    header = ("--header", f"X-aws-ec2-metadata-token: {token}")
    return node.run("curl", "--silent", "--show-error", "--fail", *header, f"{place}/{path}")


def test_machines_are_vouched_for(lab: Lab, boots: Boots, two: list[str]) -> None:
    one = two[0]
    document = ask(boots, one, "dynamic/instance-identity/document")
    signature = ask(boots, one, "dynamic/instance-identity/rsa2048")
    identity = Identity("pkcs7-document", ACCOUNT, REGION, lab.authority.certificate)
    seen = VERIFIERS["pkcs7-document"](identity, Evidence(document, signature))
    assert seen.id == one == ask(boots, one, "meta-data/instance-id")


def test_the_metadata_service_wants_a_token_of_the_machine(boots: Boots, two: list[str]) -> None:
    for token in ("", "made-up"):
        with pytest.raises(AssertionError, match="401"):
            ask(boots, two[0], "meta-data/instance-id", token)
    with pytest.raises(AssertionError, match="404"):
        ask(boots, two[0], "meta-data/spot/instance-action")


def test_a_machine_that_is_to_go_waits_for_the_word_of_its_node(
    group: Group, boots: Boots, two: list[str]
) -> None:
    gone, stays = two
    assert ask(boots, gone, "meta-data/autoscaling/target-lifecycle-state") == "InService"
    group.scaling.terminate_instance_in_auto_scaling_group(
        InstanceId=gone, ShouldDecrementDesiredCapacity=True
    )
    assert ask(boots, gone, "meta-data/autoscaling/target-lifecycle-state") == "Terminated"
    assert group.members()[gone]["LifecycleState"] == "Terminating:Wait"
    role = ask(boots, gone, "meta-data/iam/security-credentials/")
    held = json.loads(ask(boots, gone, f"meta-data/iam/security-credentials/{role}"))
    # As a node does it: over TLS, by AWS's name, with curl's signature and no more than its role.
    word = (
        *("curl", "--silent", "--show-error"),
        *("--aws-sigv4", f"aws:amz:{REGION}:autoscaling"),
        *("--user", f"{held['AccessKeyId']}:{held['SecretAccessKey']}"),
        *("--header", f"X-Amz-Security-Token: {held['Token']}"),
        *("--data", "Version=2011-01-01"),
    )
    url = f"https://autoscaling.{REGION}.amazonaws.com/"
    own = ("--data", f"AutoScalingGroupName={GROUP}")
    said = boots.node(gone).run(*word, *own, "--data", "Action=DeleteAutoScalingGroup", url)
    assert "<Code>AccessDenied</Code>" in said
    complete = (
        "--data", "Action=CompleteLifecycleAction", "--data", f"InstanceId={gone}",
        "--data", f"LifecycleHookName={HOOK}", "--data", "LifecycleActionResult=CONTINUE",
    )  # fmt: skip
    others = ("--data", f"AutoScalingGroupName={OTHERS}")
    said = boots.node(gone).run(*word, *others, *complete, url)
    assert "<Code>AccessDenied</Code>" in said
    said = boots.node(gone).run(*word, *own, *complete, url)
    assert "CompleteLifecycleActionResult" in said
    wait_for("its end", lambda: gone not in group.machines())
    wait_for("the end of its node", lambda: gone not in boots.nodes)
    assert sorted(group.settled(1)) == [stays]


@pytest.mark.long
def test_what_a_group_cannot_start_is_an_activity_that_failed(lab: Lab, group: Group) -> None:
    def failures() -> list[str]:
        found = group.scaling.describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]
        return [it["StatusMessage"] for it in found if it["StatusCode"] == "Failed"]

    first = len(group.members())
    limit = 2 * first  # of two processors each
    with lab.quota(limit):
        group.wish(first + 1)
        reason = f"current vCPU limit of {limit}"
        wait_for("a failure", lambda: any(reason in it for it in failures()))
        assert len(group.machines()) == first
    group.settled(first + 1)
    with lab.fault(Fault(f"LAUNCH {GROUP}", "fail")):
        group.wish(first + 2)
        wait_for("a failure", lambda: any("sufficient" in it for it in failures()))
        group.settled(first + 2)
    with lab.fault(Fault(f"LAUNCH {GROUP}", "delay", seconds=4)):
        begun = time.monotonic()
        group.wish(first + 3)
        group.settled(first + 3)
        assert time.monotonic() - begun > 4


@pytest.mark.long
@pytest.mark.usefixtures("standing")
def test_the_market_takes_machines_back_after_a_notice(
    lab: Lab, group: Group, boots: Boots
) -> None:
    machines = group.machines()
    spot = next(it for it in group.members() if machines[it].get("InstanceLifecycle") == "spot")
    boots.node(spot).booted()
    lab.wishes.take_back(spot, within_s=20)
    notice = json.loads(ask(boots, spot, "meta-data/spot/instance-action"))
    assert notice["action"] == "terminate"
    wait_for("its end", lambda: spot not in group.machines())


def test_faults_meet_who_calls(lab: Lab) -> None:
    ec2, scaling = lab.client("ec2", config=ONCE), lab.client("autoscaling", config=ONCE)
    # Neither is asked by who looks for nodes that are to boot, and would meet the fault first.
    for what, call, said in (
        ("ec2 DescribeVpcs", ec2.describe_vpcs, "RequestLimitExceeded"),
        ("autoscaling Describe.*", scaling.describe_auto_scaling_groups, "Throttling"),
    ):
        with lab.fault(Fault(what, "throttle")) as met:
            assert code(call) == said
            assert len(met()) == 1
            call()
    with lab.fault(Fault("ec2 CreateVpc", "lose")), pytest.raises(ConnectionClosedError):
        ec2.create_vpc(CidrBlock="10.99.0.0/16")
    assert "10.99.0.0/16" in {it["CidrBlock"] for it in ec2.describe_vpcs()["Vpcs"]}


def test_what_aws_would_refuse_is_refused(lab: Lab, group: Group) -> None:
    foreign = lab.client("sts", aws_access_key_id="AKIAOTHER")
    assert code(foreign.get_caller_identity) == "InvalidClientTokenId"
    wrong = lab.client("sts", aws_secret_access_key="other")
    assert code(wrong.get_caller_identity) == "SignatureDoesNotMatch"
    long = base64.b64encode(b"#!/bin/sh\n" + b"x" * 16384).decode()
    data = {"LaunchTemplateName": "l", "LaunchTemplateData": {**group.data, "UserData": long}}
    assert code(group.ec2.create_launch_template, **data) == "InvalidUserData.Malformed"
    name = {"AutoScalingGroupName": GROUP}
    assert code(group.scaling.delete_auto_scaling_group, **name) == "ResourceInUse"


def test_a_group_is_gone_when_its_machines_are(group: Group, boots: Boots) -> None:
    group.scaling.delete_auto_scaling_group(AutoScalingGroupName=GROUP, ForceDelete=True)
    named = {"AutoScalingGroupNames": [GROUP]}
    wait_for(
        "its end",
        lambda: not group.scaling.describe_auto_scaling_groups(**named)["AutoScalingGroups"],
    )
    assert group.machines() == {}
    wait_for("the end of the nodes", lambda: not boots.nodes)


@pytest.mark.long
def test_labs_stand_side_by_side_and_leave_nothing(lab: Lab) -> None:
    with aws_lab() as other, other.network.entered():
        Group(other)
        with other.boots() as boots:
            wait_for("a node", lambda: boots.nodes)
    assert not other.exists
    assert belonging_to(other.folder) == []
    assert list(Path("/run/netns").glob(f"*{other.name}*")) == []
    lab.client("ec2").describe_vpcs()
