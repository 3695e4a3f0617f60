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

    def group(self) -> dict:
        (group,) = self.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return group


SIZE = {"cpu": 2, "memory": "8GiB", "disk": "40GiB"}


@pytest.fixture
def cloud(tmp_path) -> Iterator[Cloud]:
    with moto_server() as address:
        yield Cloud(address, tmp_path)


def test_a_site_is_made_changed_and_gone(cloud):
    cloud.declare({"workers": {"count": {"min": 2, "max": 30}, "size": SIZE}})
    cloud.stack.up()

    ec2, iam = cloud.client("ec2"), cloud.client("iam")
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.70.0.0/16"]}])["Vpcs"]
    mine = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    assert _tags(vpc).items() >= OURS.items()
    subnets = {s["CidrBlock"]: s for s in ec2.describe_subnets(Filters=mine)["Subnets"]}
    assert set(subnets) == {"10.70.0.0/19", "10.70.32.0/19", "10.70.64.0/19"}
    assert all(_tags(subnet).items() >= OURS.items() for subnet in subnets.values())

    # Nobody is let in but the site's machines, and SSH from where access says.
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

    # The group begins with nobody; how many there are is said by nobody here.
    group = cloud.group()
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (0, 33, 0)
    assert group["NewInstancesProtectedFromScaleIn"]
    assert {p["ProcessName"] for p in group["SuspendedProcesses"]} == {
        "AZRebalance", "AlarmNotification", "InstanceRefresh", "ScheduledActions",
    }  # fmt: skip
    assert set(group["VPCZoneIdentifier"].split(",")) == {
        subnets[cidr]["SubnetId"] for cidr in ("10.70.32.0/19", "10.70.64.0/19")
    }
    assert _tags(group).items() >= {**OURS, "vdc-group": "workers"}.items()
    (hook,) = cloud.client("autoscaling").describe_lifecycle_hooks(
        AutoScalingGroupName=group["AutoScalingGroupName"]
    )["LifecycleHooks"]
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert (hook["DefaultResult"], hook["HeartbeatTimeout"]) == ("CONTINUE", 420)

    data, marks = cloud.template()
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (disk,) = data["BlockDeviceMappings"]
    assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeSize"]) == (True, 40)
    (interface,) = data["NetworkInterfaces"]
    assert interface["AssociatePublicIpAddress"] is False
    assert base64.b64decode(data["UserData"]).startswith(b"#cloud-config\n# one")
    outputs = cloud.outputs()
    members, enrolment = outputs["cloud-workers members"], outputs["cloud-workers enrolment"]
    assert marks.items() >= {**OURS, "vdc-group": "workers", TEMPLATE: members["template"]}.items()
    assert members["fleet"] == enrolment["fleet"] == group["AutoScalingGroupName"]
    assert (members["count"], enrolment["most"]) == (2, 30)
    assert enrolment["hook"] == hook["LifecycleHookName"]

    # Its machines may say that they have drained, and nothing else.
    (role,) = [r for r in iam.list_roles()["Roles"] if r["RoleName"].startswith("vdc-dc-")]
    (right,) = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=right)["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert statement["Action"] == "autoscaling:CompleteLifecycleAction"
    assert statement["Resource"].startswith(f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:")
    assert statement["Resource"].endswith(f"/{group['AutoScalingGroupName']}")

    # A second run changes nothing; what others are told is another template, and another mark.
    assert "unchanged" in (said := cloud.stack.up())
    assert "created" not in said
    assert "updated" not in said
    cloud.stack.pulumi("config", "set", "told", "two")
    cloud.stack.up()
    data, marks = cloud.template()
    assert base64.b64decode(data["UserData"]).startswith(b"#cloud-config\n# two")
    assert marks[TEMPLATE] == cloud.outputs()["cloud-workers members"]["template"]
    assert marks[TEMPLATE] != members["template"]

    exported = cloud.stack.pulumi("stack", "export")
    assert "planted" not in exported, "user data hold a secret"
    cloud.stack.pulumi("destroy", "--yes")
    assert not ec2.describe_launch_templates()["LaunchTemplates"]
    assert not cloud.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert not [r for r in iam.list_roles()["Roles"] if r["RoleName"].startswith("vdc-dc-")]
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
