"""An Auto Scaling group as a fleet, against a server of AWS's API in a process of its own."""

import asyncio
from functools import cache

import pytest
from botocore.loaders import JSONFileLoader

from provider.fleet_worlds import Cloud, CloudPool, node
from provider.moto_server import ACCOUNT, IMAGE, REGION, empty, moto_server, session, surroundings
from vdc.errors import NodeError
from vdc.plan.tags import EXPIRES, TEMPLATE
from vdc.provider.drivers.aws.cloud import Aws, AwsError
from vdc.provider.drivers.aws.fleet import AwsFleet, Patience
from vdc.provider.fleets import Want, converge

pytestmark = pytest.mark.real

QUICK = Patience(ask_again_s=0.05, grow_s=0.5, after_failure_s=0.2, end_s=1)


class Clients:
    """Of the account, each made once: that takes a second."""

    @staticmethod
    @cache
    def client(service: str):
        return session().client(service)


@pytest.fixture(scope="module")
def address():
    with moto_server() as address:
        yield address


@pytest.fixture
def cloud(address, monkeypatch):
    """An empty account, and the environment that leads there."""
    for name, value in surroundings(address).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    empty(address)
    return Clients()


def template(cloud, digest: str, *, new: bool = False) -> None:
    """The launch template, or a version of it."""
    ec2 = cloud.client("ec2")
    data = {
        "ImageId": IMAGE,
        "InstanceType": "t3.micro",
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": [{"Key": TEMPLATE, "Value": digest}]}
        ],
    }
    if new:
        ec2.create_launch_template(LaunchTemplateName="the-template", LaunchTemplateData=data)
        return
    ec2.create_launch_template_version(LaunchTemplateName="the-template", LaunchTemplateData=data)
    made = {"LaunchTemplateName": "the-template", "Version": "2"}
    cloud.client("autoscaling").update_auto_scaling_group(
        AutoScalingGroupName="g", LaunchTemplate=made
    )


def group(cloud, most: int = 40) -> None:
    """A group as a site makes it."""
    template(cloud, "v1", new=True)
    subnets = cloud.client("ec2").describe_subnets()["Subnets"]
    cloud.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="g",
        LaunchTemplate={"LaunchTemplateName": "the-template", "Version": "1"},
        MinSize=0,
        MaxSize=most,
        DesiredCapacity=0,
        VPCZoneIdentifier=",".join(subnet["SubnetId"] for subnet in subnets),
        NewInstancesProtectedFromScaleIn=True,
    )


@cache
def aws(account: str = ACCOUNT) -> Aws:
    return Aws(account, REGION)


def fleet(account: str = ACCOUNT, name: str = "g") -> AwsFleet:
    return AwsFleet(aws(account), name, QUICK)


def asked(coroutine):
    return asyncio.run(coroutine)


def desired(cloud) -> int:
    answer = cloud.client("autoscaling").describe_auto_scaling_groups()
    return answer["AutoScalingGroups"][0]["DesiredCapacity"]


def running(cloud) -> set[str]:
    pages = cloud.client("ec2").get_paginator("describe_instances").paginate()
    return {
        machine["InstanceId"]
        for page in pages
        for reservation in page["Reservations"]
        for machine in reservation["Instances"]
        if machine["State"]["Name"] == "running"
    }


def test_a_group_grows_and_its_instances_say_from_which_template_they_are(cloud):
    group(cloud)
    asked(fleet().grow(3))
    asked(fleet().grow(3))
    found = asked(fleet().instances())
    assert len(found) == 3
    assert {i.id for i in found} == running(cloud)
    assert {i.template for i in found} == {"v1"}
    assert {i.state for i in found} == {"running"}
    assert all(i.address and i.zone.startswith(REGION) and i.age_s < 600 for i in found)
    assert desired(cloud) == 3


def test_exactly_the_named_end_and_no_other_is_started(cloud):
    group(cloud)
    asked(fleet().grow(5))
    ids = sorted(i.id for i in asked(fleet().instances()))
    asked(fleet().end(frozenset(ids[1:4])))
    assert running(cloud) == {ids[0], ids[4]}
    assert desired(cloud) == 2
    asked(fleet().end(frozenset(ids[1:4])))
    assert desired(cloud) == 2


def test_more_ids_than_a_filter_takes_and_some_of_them_gone(cloud):
    group(cloud)
    asked(fleet().grow(2))
    there = running(cloud)
    gone = {f"i-{number:017x}" for number in range(400)}
    asked(fleet().end(frozenset(there | gone)))
    assert running(cloud) == set()


def test_answers_of_several_pages_are_read_to_the_end(cloud):
    group(cloud)
    for name in ("other", "third"):
        cloud.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=name,
            LaunchTemplate={"LaunchTemplateName": "the-template"},
            MinSize=0,
            MaxSize=1,
            AvailabilityZones=[f"{REGION}a"],
        )

    def groups(aws: Aws) -> list[str]:
        one = {"PaginationConfig": {"PageSize": 1}}
        pages = aws.pages("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups", **one)
        return [found["AutoScalingGroupName"] for found in pages]

    assert sorted(asked(aws().ask(groups))) == ["g", "other", "third"]


def test_more_than_the_group_takes_is_refused(cloud):
    group(cloud, most=2)
    with pytest.raises(NodeError, match="g takes 2 at most"):
        asked(fleet().grow(3))
    assert running(cloud) == set()


@pytest.mark.usefixtures("cloud")
def test_a_group_that_is_not_there_has_no_instances_and_does_not_grow():
    assert asked(fleet().instances()) == []
    with pytest.raises(NodeError, match=f"there is no Auto Scaling group g in {REGION}"):
        asked(fleet().grow(1))


def test_what_does_not_come_is_asked_for_no_more(cloud):
    group(cloud)
    asked(fleet().grow(2))
    # An instance that somebody stopped counts for nothing, and this server replaces none.
    stopped = sorted(running(cloud))[0]
    cloud.client("ec2").stop_instances(InstanceIds=[stopped])
    with pytest.raises(NodeError, match="there are 1 after 0 s"):
        asked(fleet().grow(2))
    assert desired(cloud) == 1


def test_an_instance_that_died_is_replaced_by_the_group(cloud):
    group(cloud)
    asked(fleet().grow(2))
    before = running(cloud)
    dead = sorted(before)[0]
    cloud.client("ec2").terminate_instances(InstanceIds=[dead])
    found = {i.id for i in asked(fleet().instances())}
    assert dead not in found
    assert len(found) == 2


@pytest.mark.usefixtures("cloud")
def test_another_account_is_refused_before_anything_is_asked():
    with pytest.raises(AwsError) as told:
        asked(fleet("210987654321").instances())
    assert str(told.value) == (
        f"the credential is of account {ACCOUNT}, and 210987654321 is declared; "
        "sign in to that one, or name its profile"
    )


@pytest.mark.usefixtures("cloud")
def test_the_models_of_a_service_are_read_once(monkeypatch):
    asked(aws().ask(lambda aws: aws.client("ec2")))
    read = []
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda _self, path: read.append(path))
    asked(Aws(ACCOUNT, "eu-west-1").ask(lambda aws: aws.client("ec2")))
    assert read == []


@pytest.mark.usefixtures("cloud")
def test_a_profile_that_is_not_there_is_named():
    with pytest.raises(AwsError, match=r"eu-central-1: The config profile \(nobody\)"):
        asked(Aws(ACCOUNT, REGION, "nobody").ask(lambda aws: aws.client("ec2")))


@pytest.mark.usefixtures("cloud")
def test_a_refusal_is_one_line_with_the_call_and_its_code():
    def wrong(aws: Aws) -> None:
        aws.client("ec2").describe_subnets(SubnetIds=["subnet-0000000000000000f"])

    with pytest.raises(AwsError) as told:
        asked(aws().ask(wrong))
    assert told.value.code == "InvalidSubnetID.NotFound"
    assert str(told.value).startswith("AWS eu-central-1: DescribeSubnets: ")
    assert "\n" not in str(told.value)


def test_nobody_there_is_one_line(monkeypatch):
    for name, value in surroundings("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("vdc.provider.drivers.aws.cloud._ATTEMPTS", 1)
    with pytest.raises(AwsError, match="AWS eu-central-1: Could not connect to the endpoint URL"):
        asked(AwsFleet(Aws(ACCOUNT, REGION), "g").instances())


def test_what_is_known_of_an_instance_that_is_not_ready(cloud):
    group(cloud)
    asked(fleet().grow(1))
    (identity,) = running(cloud)
    assert asked(fleet().explain(identity)).startswith("stage ")
    nobody = "i-00000000000000000"
    assert asked(fleet().explain(nobody)) == f"there is no instance {nobody} any more"


def test_another_day_of_expiry_reaches_the_group_s_machines_with_their_disks_and_no_others(cloud):
    group(cloud)
    asked(fleet().grow(2))
    ec2 = cloud.client("ec2")
    ours = running(cloud)
    ec2.run_instances(ImageId=IMAGE, MinCount=1, MaxCount=1)
    marks = {"vdc-stack": "dev", EXPIRES: "2036-12-31"}
    whole = {
        thing
        for reservation in ec2.describe_instances(InstanceIds=sorted(ours))["Reservations"]
        for it in reservation["Instances"]
        for thing in (
            it["InstanceId"],
            *(disk["Ebs"]["VolumeId"] for disk in it["BlockDeviceMappings"]),
            *(card["NetworkInterfaceId"] for card in it["NetworkInterfaces"]),
        )
    }
    assert len(whole) == 6

    def marked(key: str) -> dict[str, str]:
        tags = ec2.describe_tags(Filters=[{"Name": "key", "Values": [key]}])["Tags"]
        return {tag["ResourceId"]: tag["Value"] for tag in tags}

    asked(fleet().mark(marks))
    assert marked(EXPIRES) == dict.fromkeys(whole, "2036-12-31")
    asked(fleet().mark({**marks, EXPIRES: "2037-06-30"}))
    assert marked(EXPIRES) == dict.fromkeys(whole, "2037-06-30")
    asked(fleet().mark({"vdc-stack": "dev"}))
    assert marked(EXPIRES) == {}
    assert marked("vdc-stack") == dict.fromkeys(whole, "dev")


def test_the_whole_life_of_a_fleet(cloud):
    """2, 4, 2, another template, none: by the logic of fleets, with a pool in memory."""
    group(cloud)
    world = Cloud()

    def run(count: int, digest: str = "v1"):
        async def run():
            want = Want("dc-cloud-workers", count, digest, 300)
            return await converge(fleet(), InMemory(world, fleet()), want, asyncio.Event())

        ended = asyncio.run(run())
        assert ended.problems == ()
        assert {i.template for i in ended.instances} <= {digest}
        assert {i.id for i in ended.instances} == running(cloud)
        assert len(ended.instances) == count
        return {i.id for i in ended.instances}

    two = run(2)
    assert run(2) == two
    assert two < run(4)
    run(2)
    template(cloud, "v2")
    old = running(cloud)
    assert not old & run(2, "v2")
    assert run(0, "v2") == set()
    assert desired(cloud) == 0


class InMemory(CloudPool):
    """The pool of a world whose machines are the server's."""

    def __init__(self, world: Cloud, there: AwsFleet) -> None:
        super().__init__(world)
        self.there = there

    async def wait_ready(self, name: str) -> None:
        assert name in {node(i.id) for i in await self.there.instances()}
        self.cloud.standing[name] = "ready"
