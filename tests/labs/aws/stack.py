"""A stack with a site in a lab's AWS, as a user has it who has only a credential."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from e2e.checkout import Checkout, checkout
from labs.aws.lab import Lab
from labs.aws.settings import ACCOUNT, REGION, SIDE, ZONES
from labs.boots import Boots

SITE, GROUP = "cloud", "workers"
SIZE = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}
CIDR = "10.70.0.0/16"
# A node is fetched, boots and joins in less than a minute, several of them in more.
_PATIENCE_S = 900.0
_ENDED = ("terminated", "shutting-down")


@dataclass
class Standing:
    """A lab with a user in it, and what they have made there.

    Attributes:
        lab: Where this thread is.
        boots: The nodes of its instances.
        stack: The user's checkout.
    """

    lab: Lab
    boots: Boots
    stack: Checkout
    _clients: dict[str, Any] = field(default_factory=dict)

    def api(self, service: str) -> Any:
        """boto3's client of a service."""
        if service not in self._clients:
            self._clients[service] = self.lab.client(service)
        return self._clients[service]

    def declare(
        self,
        site: Mapping[str, Any] | None = None,
        *,
        control: Mapping[str, Any] | None = None,
        **groups: Any,
    ) -> None:
        """Writes the declaration: servers on this side unless told otherwise, and groups."""
        here = {} if control else {"here": {"kind": "local"}}
        common = {"size": SIZE, "drain": {"deadline": "60s"}}
        cloud = {
            "kind": "aws",
            "account": ACCOUNT,
            "region": REGION,
            "network": {"cidr": CIDR},
            "zones": list(ZONES),
            "egress": "nat",
            "os": {"name": "debian", "version": "12"},
            "identity": self.lab.authority.certificate,
            **(site or {}),
            "groups": {name: {**common, **group} for name, group in groups.items()},
        }
        document = {
            "name": self.stack.stack,
            "control": control or {"site": "here", "addresses": [SIDE]},
            "sites": {**here, SITE: cloud},
        }
        self.stack.declaration.write_text(yaml.safe_dump(document, sort_keys=False))

    def name(self, instance: str, group: str = GROUP) -> str:
        """What the node of an instance is called."""
        return f"{self.stack.stack}-{SITE}-{group}-{instance}"

    def machines(self) -> dict[str, dict[str, Any]]:
        """The instances that do not end, as the API shows them."""
        found = self.api("ec2").describe_instances()["Reservations"]
        return {
            it["InstanceId"]: it
            for one in found
            for it in one["Instances"]
            if it["State"]["Name"] not in _ENDED
        }

    def launched(self) -> float:
        """When the last instance was begun, as the cloud says, in seconds of the epoch."""
        return float(max(it["LaunchTime"].timestamp() for it in self.machines().values()))

    def nodes(self) -> list[str]:
        """What their nodes are called, sorted as the pool does."""
        return sorted(self.name(it) for it in self.machines())

    def fleet(self) -> dict[str, Any]:
        """The one Auto Scaling group."""
        (found,) = self.api("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return dict(found)

    def ids(self) -> dict[str, str]:
        """The scheduler's id of every node, and so whether it is still the same node."""
        with self.stack.scheduler() as scheduler:
            return {node["Name"]: node["ID"] for node in scheduler.get("/v1/nodes").json()}


def belongings(lab: Lab) -> list[str]:
    """What costs or stands in the way of others at the API, what every region has apart."""
    ec2, scaling, iam = (lab.client(it) for it in ("ec2", "autoscaling", "iam"))
    machines = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    groups = ec2.describe_security_groups()["SecurityGroups"]
    listed = {
        "instance": [i["InstanceId"] for i in machines if i["State"]["Name"] != "terminated"],
        "group": [
            it["AutoScalingGroupName"]
            for it in scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        ],
        "template": [
            it["LaunchTemplateName"] for it in ec2.describe_launch_templates()["LaunchTemplates"]
        ],
        "vpc": [it["VpcId"] for it in ec2.describe_vpcs()["Vpcs"]],
        "subnet": [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]],
        "security group": [it["GroupId"] for it in groups],
        "gateway": [it["InternetGatewayId"] for it in ec2.describe_internet_gateways()[
            "InternetGateways"]],
        "nat": [
            it["NatGatewayId"]
            for it in ec2.describe_nat_gateways()["NatGateways"]
            if it["State"] != "deleted"
        ],
        "address": [it["AllocationId"] for it in ec2.describe_addresses()["Addresses"]],
        "volume": [it["VolumeId"] for it in ec2.describe_volumes()["Volumes"]],
        "card": [
            it["NetworkInterfaceId"]
            for it in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ],
        "key": [it["KeyName"] for it in ec2.describe_key_pairs()["KeyPairs"]],
        "role": [it["RoleName"] for it in iam.list_roles()["Roles"]],
        "profile": [
            it["InstanceProfileName"] for it in iam.list_instance_profiles()["InstanceProfiles"]
        ],
    }  # fmt: skip
    return sorted(f"{kind} {name}" for kind, names in listed.items() for name in names)


@contextmanager
def standing(lab: Lab, name: str) -> Iterator[Standing]:
    """A stack in a lab; what it has made is destroyed at the end, with nothing left."""
    with lab.boots() as boots, checkout(name, patience_s=_PATIENCE_S) as made:
        before = belongings(lab)
        own = {key: lab.environment[key] for key in lab.environment if key.startswith("AWS_")}
        environment = {**made.environment, **own, "PATH": lab.environment["PATH"]}
        cloud = Standing(lab, boots, replace(made, environment=environment))
        yield cloud
        cloud.stack.vdc("destroy", "--yes")
        assert cloud.stack.left() == []
        assert [it for it in belongings(lab) if it not in before] == []
