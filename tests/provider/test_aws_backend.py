"""What AWS says before anything is made, and what of a stack is there: asked of its API."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from provider.moto_server import ACCOUNT, IMAGE, REGION, empty, moto_server, session, surroundings
from vdc.declaration import load
from vdc.declaration.finding import dotted
from vdc.errors import NodeError
from vdc.plan import plan
from vdc.plan.tags import tags
from vdc.provider.drivers import aws
from vdc.provider.drivers.aws import cloud, inventory, quota
from vdc.provider.drivers.aws.sorts import SORTS

pytestmark = pytest.mark.real

CASES = Path(__file__).parents[1] / "cases"
OURS = tags("dc", "dev", "frankfurt", "workers", "2036-12-31")
SHARED = tags("dc", "dev", "frankfurt")
FOREIGN = tags("dc", "prod", "frankfurt", "workers")


@cache
def client(service: str):
    return session().client(service)


@pytest.fixture(scope="module")
def address():
    with moto_server() as address:
        yield address


@pytest.fixture(autouse=True)
def _account(address, monkeypatch):
    for name, value in surroundings(address).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    empty(address)


@pytest.fixture
def declared(tmp_path):
    """A plan with one site in AWS, changed as a test wants it."""
    whole = yaml.safe_load((CASES / "declaration.ok.aws.yaml").read_text())

    def made(
        group: dict | None = None, control: dict | None = None, more: dict | None = None, **changes
    ):
        site = whole["sites"]["frankfurt"] | {"profile": None, "image": IMAGE, **changes}
        small = {"cpu": 2, "memory": "4GiB", "disk": "40GiB"}
        group = {"count": 3, "size": small, "instance_types": ["t3.medium"], **(group or {})}
        site["groups"] = {"workers": {k: v for k, v in group.items() if v is not None}}
        site = {key: value for key, value in site.items() if value is not None}
        sites = {"here": {"kind": "local"}, "frankfurt": site}
        sites |= {name: site | changed for name, changed in (more or {}).items()}
        file = tmp_path / "dev.yaml"
        top = {**whole, "name": "dc", "sites": sites}
        file.write_text(yaml.safe_dump({**top, "control": control} if control else top))
        return plan(load(file))

    return made


def site_of(planned, name: str = "frankfurt"):
    return next(site for site in planned.sites if site.name == name)


def said(planned, name: str = "frankfurt", level: str = "error") -> list[str]:
    """What is found of one level, when there is nothing of the other."""
    found = asyncio.run(aws.BACKEND.preflight(planned, site_of(planned, name), "dev", ()))
    assert {f.level for f in found} <= {level}
    return [f"{dotted(f.path)}: {f.message}" for f in found]


def test_what_aws_would_carry_is_found_nothing_wrong_with(declared):
    assert said(declared()) == []


def test_an_existing_network_is_looked_for(declared):
    (vpc,) = client("ec2").describe_vpcs()["Vpcs"]
    subnets = [s["SubnetId"] for s in client("ec2").describe_subnets()["Subnets"]]
    known = {"vpc": vpc["VpcId"], "subnets": subnets[:2]}
    assert said(declared(network=known, zones=None, egress="existing", egress_price=None)) == []
    stray = {"vpc": vpc["VpcId"], "subnets": [subnets[0], "subnet-0a1b2c3d4e5f60718"]}
    (line,) = said(declared(network=stray, zones=None, egress="existing", egress_price=None))
    assert line == (
        "sites.frankfurt.network.subnets.1: "
        f"is no subnet of {vpc['VpcId']} (got subnet-0a1b2c3d4e5f60718)"
    )
    none = {"vpc": "vpc-0a1b2c3d4e5f60718", "subnets": subnets[:2]}
    (line,) = said(declared(network=none, zones=None, egress="existing", egress_price=None))
    assert line.startswith("sites.frankfurt.network.vpc: is no VPC of the account in eu-central-1")


def test_control_servers_are_looked_at_as_well(declared):
    (vpc,) = client("ec2").describe_vpcs()["Vpcs"]
    (first, *_) = client("ec2").describe_subnets()["Subnets"]
    inside = str(IPv4Network(first["CidrBlock"])[10])
    size = {"cpu": 2, "memory": "2GiB", "disk": "10GiB"}
    one = {"site": "frankfurt", "addresses": [inside], "size": size}
    control = {**one, "servers": 3, "addresses": [inside, "192.0.2.1", "192.0.2.2"]}
    existing = {
        "network": {"vpc": vpc["VpcId"], "subnets": [first["SubnetId"]]},
        "zones": None,
        "egress": "existing",
        "bundle": {"url": "https://files.example.org/server.tar.gz", "sha256": "0a" * 32},
    }
    lines = said(declared(control=control, instance_type="t3.micro", **existing))
    assert [line.partition(" (")[0] for line in lines] == [
        "sites.frankfurt.instance_type: has 1,024 MiB of memory and not 2,048",
        "control.addresses.1: is no machine's address in a subnet of the servers",
        "control.addresses.2: is no machine's address in a subnet of the servers",
    ]
    (line,) = said(declared(control=one, instance_type="m9.large", **existing))
    assert line.startswith("sites.frankfurt.instance_type: is none of the region's types")


def test_a_zone_that_the_region_has_not(declared):
    (line,) = said(declared(zones=["eu-central-1a", "eu-central-1g"]))
    assert line == ("sites.frankfurt.zones.1: is no zone that the account has (got eu-central-1g)")


def test_an_image_that_is_not_there(declared):
    (line,) = said(declared(image="ami-0a1b2c3d4e5f60718"))
    assert line.startswith("sites.frankfurt.image: is no image that the account sees")


def test_the_image_of_a_publisher_is_read(declared):
    (line,) = said(declared(image=None))
    assert line.startswith("sites.frankfurt.os: has no image in eu-central-1: /aws/service/debian")


def test_a_type_that_is_too_small_and_one_that_is_none(declared):
    lines = said(declared({"instance_types": ["t3.micro", "t3.tiny"]}))
    types = "sites.frankfurt.groups.workers.instance_types"
    assert lines == [
        f"{types}.0: has 1,024 MiB of memory and not 4,096 (got t3.micro)",
        f"{types}.1: is none of the region's types (got t3.tiny)",
    ]


def test_a_size_without_a_type_is_one_that_aws_has(declared):
    assert said(declared({"instance_types": None})) == []


def test_a_quota_that_nobody_tells_is_no_finding(declared):
    with pytest.raises(Exception, match="NoSuchResource"):
        client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")
    assert said(declared({"count": 1000})) == []


@pytest.fixture
def limited(monkeypatch):
    """The account may have so much of what the server has no quota for."""
    most = quota.Account.most

    def limited(**limits: int):
        given = {getattr(quota, name): value for name, value in limits.items()}
        monkeypatch.setattr(
            quota.Account, "most", lambda self, limit: given.get(limit, most(self, limit))
        )

    return limited


def test_virtual_cpus_are_counted_with_those_of_a_replacement(declared, limited):
    groups = "sites.frankfurt.groups"
    limited(FIRM=5)
    assert said(declared()) == [
        (
            f"{groups}: needs 6 more virtual CPUs of standard on-demand instances, and 0 of the "
            "account's 5 are in use"
        )
    ]
    limited(FIRM=7)
    assert said(declared(), level="warning") == [
        (
            f"{groups}: leaves no room to replace machines: that takes 2 more virtual CPUs of "
            "standard on-demand instances for a while, and 0 of the account's 7 are in use"
        )
    ]
    limited(FIRM=8)
    assert said(declared()) == []
    limited(FIRM=6, SPOT=5)
    assert said(declared({"spot": {"on_demand": 1}}), level="warning") == [
        (
            f"{groups}: leaves no room to replace machines: that takes 2 more virtual CPUs of "
            "standard spot instances for a while, and 0 of the account's 5 are in use"
        )
    ]


def test_sites_of_one_account_and_region_are_counted_together(declared, limited):
    second = {"network": {"cidr": "10.71.0.0/16"}}
    limited(FIRM=14)
    planned = declared(more={"second": second})
    assert said(planned) == []
    assert said(planned, "second", "warning") == [
        (
            "sites.second.groups: with the sites before it leaves no room to replace machines: "
            "that takes 4 more virtual CPUs of standard on-demand instances for a while, and 0 of "
            "the account's 14 are in use"
        )
    ]


def test_a_type_of_another_family_is_not_passed_over_in_silence(declared, limited):
    limited(FIRM=0)
    assert said(declared({"instance_types": ["g4dn.xlarge"]}), level="warning") == [
        (
            "sites.frankfurt.groups.workers.instance_types.0: counts against a quota of its own "
            "family, which was not asked (got g4dn.xlarge)"
        )
    ]
    assert said(declared({"instance_types": ["g4dn.xlarge"], "count": 0})) == []


def test_a_vpc_more_than_there_may_be(declared):
    for part in range(4):  # beside the account's first
        client("ec2").create_vpc(CidrBlock=f"10.8{part}.0.0/16")
    assert said(declared()) == [
        "sites.frankfurt.network.cidr: needs 1 more VPCs, and 5 of the account's 5 are in use"
    ]
    client("ec2").create_vpc(CidrBlock="10.70.0.0/16", **marked("vpc", SHARED))
    assert said(declared()) == [], "its own stands already"


def test_an_elastic_address_more_than_there_may_be(declared, limited):
    limited(ADDRESSES=1)
    assert said(declared()) == []
    client("ec2").allocate_address(Domain="vpc")
    assert said(declared()) == [
        (
            "sites.frankfurt.egress: needs 1 more elastic addresses, and 1 of the account's 1 are "
            "in use"
        )
    ]
    assert said(declared(egress="public")) == []
    client("ec2").create_vpc(CidrBlock="10.70.0.0/16", **marked("vpc", SHARED))
    client("ec2").allocate_address(Domain="vpc", **marked("elastic-ip", SHARED))
    assert said(declared()) == [], "its own stands already"


def test_a_credential_of_another_account(declared):
    (line,) = said(declared(account="210987654321"))
    assert line == (
        "sites.frankfurt.account: is not the credential's (got 210987654321): the credential is "
        f"of account {ACCOUNT}, and 210987654321 is declared; sign in to that one, or name its "
        "profile"
    )


def test_no_credential_and_a_profile_that_is_not_there(declared, monkeypatch):
    cloud.shared.cache_clear()
    (line,) = said(declared(profile="nobody"))
    assert line.startswith("sites.frankfurt.profile: has no credential that AWS takes")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    cloud.shared.cache_clear()
    (line,) = said(declared())
    assert line.startswith("sites.frankfurt: has no credential that AWS takes")


def test_nobody_at_the_address(declared, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(cloud, "_ATTEMPTS", 1)
    cloud.shared.cache_clear()
    (line,) = said(declared())
    assert line.startswith("sites.frankfurt.region: cannot be asked (got eu-central-1)")
    cloud.shared.cache_clear()


@contextmanager
def refusing(code: str) -> Iterator[str]:
    """The address of an EC2 that answers whatever it is asked with this refusal."""
    body = f"<Response><Errors><Error><Code>{code}</Code><Message>No.</Message></Error></Errors>"

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(403 if "Unauthorized" in code else 503)
            self.end_headers()
            self.wfile.write(f"{body}<RequestID>r</RequestID></Response>".encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("code", "blamed"),
    [
        ("UnauthorizedOperation", "profile: has a credential that may not ask"),
        ("AccessDenied", "profile: has a credential that may not ask"),
        ("AuthFailure", "profile: has no credential that AWS takes"),
        ("RequestLimitExceeded", ": cannot be asked"),
        ("InternalError", ": cannot be asked"),
    ],
)
def test_a_refusal_is_no_fault_of_the_region(declared, monkeypatch, tmp_path, code, blamed):
    (tmp_path / "config").write_text(
        "[profile lab]\naws_access_key_id=a\naws_secret_access_key=b\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(cloud, "_ATTEMPTS", 1)
    cloud.shared.cache_clear()
    with refusing(code) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", address)
        (line,) = said(declared(profile="lab"))
    cloud.shared.cache_clear()
    where = "sites.frankfurt" if blamed.startswith(":") else "sites.frankfurt."
    assert line.startswith(f"{where}{blamed}: AWS eu-central-1: Describe")
    assert line.endswith(f": No. ({code})")


def test_a_right_that_only_one_service_denies_is_the_credentials_too():
    assert cloud._refusal("AccessDeniedException") is cloud.RightsError


def marked(sort: str, marks) -> dict:
    named = {**marks, "Name": f"vdc-{marks['vdc-stack']}"}
    given = [{"Key": key, "Value": value} for key, value in named.items()]
    return {"TagSpecifications": [{"ResourceType": sort, "Tags": given}]}


def everything(marks) -> None:
    """One of each sort, with these tags."""
    ec2, stack = client("ec2"), marks["vdc-stack"]
    given = [{"Key": key, "Value": value} for key, value in marks.items()]
    vpc = ec2.create_vpc(CidrBlock="10.70.0.0/16", **marked("vpc", marks))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.70.0.0/24", **marked("subnet", marks))[
        "Subnet"
    ]["SubnetId"]
    gateway = ec2.create_internet_gateway(**marked("internet-gateway", marks))
    gateway_id = gateway["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, **marked("route-table", marks))["RouteTable"]
    ec2.associate_route_table(RouteTableId=table["RouteTableId"], SubnetId=subnet)
    address = ec2.allocate_address(Domain="vpc", **marked("elastic-ip", marks))["AllocationId"]
    ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address, **marked("natgateway", marks))
    group = ec2.create_security_group(
        GroupName=f"vdc-{stack}", Description="x", VpcId=vpc, **marked("security-group", marks)
    )["GroupId"]
    ec2.create_key_pair(KeyName=f"vdc-{stack}", KeyType="ed25519", **marked("key-pair", marks))
    ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=1, **marked("volume", marks))
    ec2.create_network_interface(
        SubnetId=subnet, Groups=[group], **marked("network-interface", marks)
    )
    ec2.run_instances(
        ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=subnet, **marked("instance", marks)
    )
    name = f"vdc-{stack}"
    ec2.create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": IMAGE,
            "InstanceType": "t3.micro",
            "TagSpecifications": [{"ResourceType": "instance", "Tags": given}],
        },
        **marked("launch-template", marks),
    )
    client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name},
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=2,
        VPCZoneIdentifier=subnet,
        NewInstancesProtectedFromScaleIn=True,
        Tags=[{**tag, "PropagateAtLaunch": True} for tag in given],
    )
    iam = client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}", Tags=given)
    iam.put_role_policy(RoleName=name, PolicyName="drained", PolicyDocument=POLICY)
    iam.create_instance_profile(InstanceProfileName=name, Tags=given)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)


POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)


def things(planned, stack: str):
    return asyncio.run(aws.BACKEND.found(site_of(planned), "dc", stack))


def test_everything_of_a_stack_is_found_and_goes_and_nothing_foreign(declared):
    planned = declared()
    everything(OURS)
    everything(FOREIGN)
    ours = things(planned, "dev")
    assert {thing.sort for thing in ours} == set(SORTS)
    assert len(ours) == len(SORTS), "the group's instances go with the group"
    assert {(t.site, t.group, t.expires) for t in ours} == {("frankfurt", "workers", "2036-12-31")}
    foreign = {(thing.sort, thing.id) for thing in things(planned, "prod")}
    assert len(foreign) == len(SORTS)

    waited_for = {"auto-scaling-group", "instance", "volume", "nat-gateway"}
    left = asyncio.run(aws.BACKEND.left(site_of(planned), ours))
    assert {thing.sort for thing in left} == waited_for

    for thing in sorted(ours, key=lambda thing: thing.rank):
        asyncio.run(aws.BACKEND.remove(site_of(planned), thing))
    assert things(planned, "dev") == []
    assert asyncio.run(aws.BACKEND.left(site_of(planned), ours)) == []
    assert {(thing.sort, thing.id) for thing in things(planned, "prod")} == foreign
    for thing in ours:  # gone already
        asyncio.run(aws.BACKEND.remove(site_of(planned), thing))


@pytest.mark.parametrize("tags_of", ["_role_tags", "_profile_tags"])
def test_a_role_that_vanishes_while_all_are_listed_is_passed_over(declared, monkeypatch, tags_of):
    everything(OURS)
    read = getattr(inventory, tags_of)

    def vanish(asked, arn):
        iam, name = client("iam"), "vdc-dev"
        if any(one["Roles"] for one in iam.list_instance_profiles()["InstanceProfiles"]):
            iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
        iam.delete_role_policy(RoleName=name, PolicyName="drained")
        iam.delete_role(RoleName=name)
        iam.delete_instance_profile(InstanceProfileName=name)
        return read(asked, arn)

    monkeypatch.setattr(inventory, tags_of, vanish)
    found = {thing.sort for thing in things(declared(), "dev")}
    assert "instance-profile" not in found
    assert "vpc" in found


def test_what_is_somebody_elses_by_now_is_left_alone(declared):
    planned = declared()
    volume = client("ec2").create_volume(
        AvailabilityZone=f"{REGION}a", Size=1, **marked("volume", OURS)
    )["VolumeId"]
    (thing,) = things(planned, "dev")
    client("ec2").create_tags(Resources=[volume], Tags=[{"Key": "vdc-stack", "Value": "prod"}])
    with pytest.raises(NodeError, match="is not ours any more; it was left alone"):
        asyncio.run(aws.BACKEND.remove(site_of(planned), thing))
    assert [thing.id for thing in things(planned, "prod")] == [volume]
