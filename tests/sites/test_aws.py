"""The component of kind ``aws``, by the real engine and the stand-in, against AWS's API in moto."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from labs.standin.program import Program, program
from provider.moto_server import ACCOUNT, REGION, moto_server, surroundings
from vdc.declaration import load
from vdc.plan.tags import TEMPLATE

CASES = Path(__file__).parents[1] / "cases"
CERTIFICATE = load(CASES / "declaration.ok.aws.yaml").sites["frankfurt"].identity
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OURS = {
    "vdc-datacenter": "dc",
    "vdc-stack": "lab",
    "vdc-site": "cloud",
    "vdc-expires": "2036-12-31",
}

pytestmark = [pytest.mark.real, pytest.mark.long]


class Cloud:
    """A moto of its own, and a stack in it."""

    def __init__(self, address: str, folder: Path) -> None:
        self.session = boto3.Session("lab", "lab", region_name=REGION)
        self.address = address
        self.stack: Program = program(folder, **surroundings(address))
        self.stack.write((Path(__file__).parent / "aws_program.py").read_text())

    def client(self, service: str):
        return self.session.client(service, endpoint_url=self.address)

    @property
    def image(self) -> str:
        found = self.client("ec2").describe_images(Owners=["amazon"])["Images"]
        return found[0]["ImageId"]

    def declare(self, groups: dict, control: dict | None = None, **site: object) -> None:
        """Other keys of the site replace the usual ones; None leaves one out."""
        usual = {
            "kind": "aws",
            "account": ACCOUNT,
            "region": REGION,
            "network": {"cidr": "10.70.0.0/16"},
            "zones": [f"{REGION}a", f"{REGION}b"],
            "egress": "nat",
            "expires": "2036-12-31",
            "access": {"key": KEY, "from": ["10.0.0.0/8"]},
            "os": {"name": "debian", "version": "12"},
            "image": self.image,
            "identity": CERTIFICATE,
        }
        kept = {key: value for key, value in {**usual, **site}.items() if value is not None}
        written = {
            "name": "dc",
            "control": control or {"site": "here", "addresses": ["192.0.2.10"]},
            "sites": {"here": {"kind": "local"}, "cloud": {**kept, "groups": groups}},
        }
        file = self.stack.folder / "declaration.yaml"
        file.write_text(json.dumps(written))  # which is YAML as well

    def outputs(self) -> dict:
        return json.loads(self.stack.pulumi("stack", "output", "--json"))

    def template(self) -> tuple[dict, dict]:
        """The newest version of the one launch template, and the tags of its instances."""
        ec2 = self.client("ec2")
        (template,) = ec2.describe_launch_templates()["LaunchTemplates"]
        (version,) = ec2.describe_launch_template_versions(
            LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Latest"]
        )["LaunchTemplateVersions"]
        data = version["LaunchTemplateData"]
        (spec,) = [s for s in data["TagSpecifications"] if s["ResourceType"] == "instance"]
        return data, {tag["Key"]: tag["Value"] for tag in spec["Tags"]}

    def servers(self) -> dict[str, dict]:
        """The instances that do not end, by their names in order."""
        found = self.client("ec2").describe_instances()["Reservations"]
        live = [
            it
            for one in found
            for it in one["Instances"]
            if it["State"]["Name"] in ("pending", "running")
        ]
        return dict(sorted((_tags(it)["Name"], it) for it in live))

    def vpc(self) -> tuple[dict, dict[str, dict]]:
        """The one that is made, and its subnets by their blocks."""
        ec2, cidr = self.client("ec2"), {"Name": "cidr", "Values": ["10.70.0.0/16"]}
        (vpc,) = ec2.describe_vpcs(Filters=[cidr])["Vpcs"]
        mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
        return vpc, {s["CidrBlock"]: s for s in ec2.describe_subnets(Filters=mine)["Subnets"]}

    def workers(self) -> tuple[dict, dict]:
        """What the members and the enrolment of the one group are told."""
        outputs = self.outputs()
        return outputs["cloud-workers members"], outputs["cloud-workers enrolment"]

    def roles(self) -> list[str]:
        names = (role["RoleName"] for role in self.client("iam").list_roles()["Roles"])
        return [name for name in names if name.startswith("vdc-dc-")]

    def group(self) -> dict:
        (group,) = self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return group


SIZE = {"cpu": 2, "memory": "8GiB", "disk": "40GiB"}


@pytest.fixture
def cloud(tmp_path) -> Iterator[Cloud]:
    with moto_server() as address:
        yield Cloud(address, tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Iterator[Cloud]:
    """With a site that has one group; the tests that take it only look, but for the last one."""
    with moto_server() as address:
        cloud = Cloud(address, tmp_path_factory.mktemp("made"))
        cloud.declare({"workers": {"count": {"min": 2, "max": 30}, "size": SIZE}})
        cloud.stack.up()
        yield cloud


def test_a_vpc_has_a_subnet_in_each_zone_and_one_for_the_way_out(made):
    vpc, subnets = made.vpc()
    assert _tags(vpc).items() >= OURS.items()
    assert set(subnets) == {"10.70.0.0/19", "10.70.32.0/19", "10.70.64.0/19"}
    assert all(_tags(subnet).items() >= OURS.items() for subnet in subnets.values())


def test_nobody_is_let_in_but_the_site_s_machines_and_ssh_from_where_access_says(made):
    ec2, (vpc, _) = made.client("ec2"), made.vpc()
    mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    (named,) = [
        g for g in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
        if g["GroupName"] != "default"
    ]  # fmt: skip
    chosen = [{"Name": "group-id", "Values": [named["GroupId"]]}]
    rules = ec2.describe_security_group_rules(Filters=chosen)["SecurityGroupRules"]
    assert sorted(_rule(rule) for rule in rules) == [
        ("in", "-1", -1, "group"),
        ("in", "tcp", 22, "10.0.0.0/8"),
        ("out", "-1", -1, "0.0.0.0/0"),
        ("out", "-1", -1, "::/0"),
    ]


def test_a_group_begins_with_nobody_and_waits_for_those_that_drain(made):
    group, (_, subnets) = made.group(), made.vpc()
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (0, 33, 0)
    assert group["NewInstancesProtectedFromScaleIn"]
    assert {p["ProcessName"] for p in group["SuspendedProcesses"]} == {
        "AZRebalance", "AlarmNotification", "InstanceRefresh", "ScheduledActions",
    }  # fmt: skip
    assert set(group["VPCZoneIdentifier"].split(",")) == {
        subnets[cidr]["SubnetId"] for cidr in ("10.70.32.0/19", "10.70.64.0/19")
    }
    assert _tags(group).items() >= {**OURS, "vdc-group": "workers"}.items()
    (hook,) = made.client("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName=group["AutoScalingGroupName"]
    )["LifecycleHooks"]
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert (hook["DefaultResult"], hook["HeartbeatTimeout"]) == ("CONTINUE", 420)
    members, enrolment = made.workers()
    assert members["fleet"] == enrolment["fleet"] == group["AutoScalingGroupName"]
    assert (members["count"], enrolment["most"]) == (2, 30)
    assert enrolment["hook"] == hook["LifecycleHookName"]


def test_machines_are_made_from_a_template_that_they_name(made):
    data, marks = made.template()
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (disk,) = data["BlockDeviceMappings"]
    assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeSize"]) == (True, 40)
    (interface,) = data["NetworkInterfaces"]
    assert interface["AssociatePublicIpAddress"] is False
    assert base64.b64decode(data["UserData"]).startswith(b"#cloud-config\n# one")
    members, _ = made.workers()
    assert marks.items() >= {**OURS, "vdc-group": "workers", TEMPLATE: members["template"]}.items()
    assert "planted" not in made.stack.pulumi("stack", "export"), "user data hold a secret"


def test_machines_may_say_that_they_have_drained_and_nothing_else(made):
    iam = made.client("iam")
    (role,) = made.roles()
    (right,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=right)["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert statement["Action"] == "autoscaling:CompleteLifecycleAction"
    assert statement["Resource"].startswith(f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:")
    assert statement["Resource"].endswith(f"/{made.group()['AutoScalingGroupName']}")


def test_a_change_is_another_template_and_after_the_end_nothing_is_left(made):
    assert "unchanged" in (said := made.stack.up())
    assert "created" not in said
    assert "updated" not in said
    marks = [made.template()[1][TEMPLATE]]
    made.stack.pulumi("config", "set", "told", "two")
    made.stack.up()
    data, found = made.template()
    assert base64.b64decode(data["UserData"]).startswith(b"#cloud-config\n# two")
    marks.append(found[TEMPLATE])
    made.declare({"workers": {"count": 2, "size": SIZE, "spot": {"on_demand": 1}}})
    made.stack.up()
    marks.append(made.template()[1][TEMPLATE])
    assert marks[-1] == made.workers()[0]["template"]
    assert len(set(marks)) == 3
    made.stack.pulumi("destroy", "--yes")
    ec2 = made.client("ec2")
    assert not ec2.describe_launch_templates()["LaunchTemplates"]
    assert not made.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert not made.roles()
    assert not ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.70.0.0/16"]}])["Vpcs"]
    assert not ec2.describe_key_pairs()["KeyPairs"]
    assert not ec2.describe_addresses()["Addresses"]


def test_an_existing_vpc_is_used_and_left(cloud):
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.71.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.71.1.0/24")["Subnet"]["SubnetId"]
    before = len(ec2.describe_subnets()["Subnets"])
    cloud.declare(
        {
            "workers": {
                "count": 3,
                "size": SIZE,
                "instance_types": ["m5.large", "m5a.large"],
                "spot": {"on_demand": 1},
            }
        },
        network={"vpc": vpc, "subnets": [subnet]},
        zones=None,
        egress="existing",
        access=None,
    )
    cloud.stack.up()
    assert len(ec2.describe_subnets()["Subnets"]) == before
    group = cloud.group()
    assert group["VPCZoneIdentifier"] == subnet
    mixed = group["MixedInstancesPolicy"]
    assert mixed["InstancesDistribution"]["OnDemandBaseCapacity"] == 1
    assert mixed["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 0
    kinds = [kind["InstanceType"] for kind in mixed["LaunchTemplate"]["Overrides"]]
    assert kinds == ["m5.large", "m5a.large"]
    data, _ = cloud.template()
    assert "KeyName" not in data
    (interface,) = data["NetworkInterfaces"]
    assert "AssociatePublicIpAddress" not in interface
    cloud.stack.pulumi("destroy", "--yes")
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]


ADDRESSES = ["10.70.32.10", "10.70.64.10", "10.70.32.11"]
CONTROL = {"site": "cloud", "servers": 3, "addresses": ADDRESSES}
BUNDLE = {"url": "https://files.example.org/server.tar.gz", "sha256": "0a" * 32}


def test_servers_stand_at_their_addresses_and_so_do_those_that_replace_them(cloud):
    cloud.declare({}, CONTROL, instance_type="m5.large", bundle=BUNDLE)
    cloud.stack.up()
    found = cloud.servers()
    names = [f"dc-cloud-servers-{number}" for number in range(3)]
    assert [it["PrivateIpAddress"] for it in found.values()] == ADDRESSES
    assert list(found) == names
    zones = [it["Placement"]["AvailabilityZone"][-1] for it in found.values()]
    assert zones == ["a", "b", "a"]
    ec2 = cloud.client("ec2")
    for name, it in found.items():
        assert _tags(it).items() >= {**OURS, "vdc-group": "servers"}.items()
        assert it["MetadataOptions"]["HttpTokens"] == "required"
        asked = {"InstanceId": it["InstanceId"], "Attribute": "userData"}
        data = ec2.describe_instance_attribute(**asked)["UserData"]["Value"]
        assert base64.b64decode(data) == f"#cloud-config\n# {name} one planted".encode()
    outputs = cloud.outputs()
    assert outputs["servers"] == {
        "addresses": [f"https://{address}:4646" for address in ADDRESSES],
        "rpc": [f"{address}:4647" for address in ADDRESSES],
        "incarnations": [it["InstanceId"] for it in found.values()],
    }

    # They alone are dialled from elsewhere.
    (card,) = found[names[0]]["NetworkInterfaces"]
    groups = {group["GroupName"]: group["GroupId"] for group in card["Groups"]}
    assert groups.keys() == {"vdc-dc-lab-cloud", "vdc-dc-lab-cloud-servers"}
    own = groups["vdc-dc-lab-cloud-servers"]
    chosen = [{"Name": "group-id", "Values": [own]}]
    rules = ec2.describe_security_group_rules(Filters=chosen)["SecurityGroupRules"]
    assert sorted(_rule(rule) for rule in rules if not rule["IsEgress"]) == sorted(
        ("in", "tcp", port, whom) for port in (4646, 4647, 4650) for whom in ("0.0.0.0/0", "::/0")
    )

    said = cloud.stack.up()
    assert "unchanged" in said
    assert "created" not in said

    # Others take their addresses; that they take turns is for the real Server to say.
    cloud.stack.pulumi("config", "set", "told", "two")
    cloud.stack.up()
    assert [it["PrivateIpAddress"] for it in cloud.servers().values()] == ADDRESSES
    now = [it["InstanceId"] for it in cloud.servers().values()]
    assert not set(now) & set(outputs["servers"]["incarnations"])
    assert "planted" not in cloud.stack.pulumi("stack", "export")
    cloud.stack.pulumi("destroy", "--yes")
    assert not cloud.servers()


def test_another_account_s_credential_makes_nothing(cloud):
    cloud.declare({"workers": {"count": 1, "size": SIZE}}, account="210987654321")
    said = cloud.stack.up(code=1)
    assert ACCOUNT in said
    assert not cloud.client("ec2").describe_launch_templates()["LaunchTemplates"]


def _tags(thing: dict) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in thing["Tags"]}


def _rule(rule: dict) -> tuple[str, str, int, str]:
    whom = rule.get("CidrIpv4") or rule.get("CidrIpv6") or "group"
    way = "out" if rule["IsEgress"] else "in"
    return way, rule["IpProtocol"], rule["FromPort"], whom
