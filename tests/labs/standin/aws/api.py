"""One region of AWS through boto3, and what every type says to it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from labs.standin.carried import Reference, Values, wait

# The real plugin's own: `maxRetries` is 25 there.
_CONFIG = Config(retries={"mode": "standard", "max_attempts": 25}, max_pool_connections=32)
_LIMIT_S = 600.0

# Ids say what they are of; every one of them, wherever it stands, must exist.
_ID = re.compile(r"(vpc|subnet|igw|nat|rtb|sg|eipalloc|lt|i|ami)-[0-9a-f]{8,17}")


@dataclass
class Api:
    """Clients of one region.

    Attributes:
        session: Of boto3, with its own rules for credentials and ``AWS_ENDPOINT_URL``.
        region: Name of the region.
        default_tags: Put on everything that can be tagged.
        stopping: See :class:`labs.standin.carried.Cloud`.
    """

    session: boto3.Session
    region: str
    default_tags: Mapping[str, str]
    stopping: threading.Event
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __getattr__(self, service: str) -> Any:
        """``api.ec2``, ``api.autoscaling``, …; one client each, safe in threads."""
        if service.startswith("_"):
            raise AttributeError(service)
        with self._lock:
            if service not in self._clients:
                client = self.session.client(service, region_name=self.region, config=_CONFIG)
                self._clients[service] = client
            return self._clients[service]

    @property
    def account(self) -> str:
        """The account's number."""
        return str(self.sts.get_caller_identity()["Account"])

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Asks until done; see :func:`labs.standin.carried.wait`."""
        wait(self.stopping, done, what, _LIMIT_S)

    # --- tags --------------------------------------------------------------------------

    def tags(self, inputs: Values) -> dict[str, str]:
        """What a new thing is tagged with: the provider's default tags and its own."""
        return {**self.default_tags, **(inputs.get("tags") or {})}

    def tagging(self, kind: str, inputs: Values) -> dict[str, Any]:
        """The argument that tags an EC2 thing in the call that makes it."""
        tags = tag_list(self.tags(inputs))
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}

    def tagged(self, answer: Any, inputs: Values) -> dict[str, Any]:
        """``tags`` and ``tagsAll`` out of an answer's list."""
        found = {tag["Key"]: tag["Value"] for tag in answer or ()}
        everything = {k: v for k, v in found.items() if not k.startswith("aws:")}
        declared = inputs.get("tags") or {}
        default = self.default_tags
        own = {k: v for k, v in everything.items() if k in declared or default.get(k) != v}
        return {"tags": own or (None if inputs.get("tags") is None else {}), "tagsAll": everything}

    def retag(self, key: str, new: Values, old: Values) -> None:
        """Brings an EC2 thing's tags to the new ones."""
        tags, gone = self.tags(new), (old.get("tags") or {}).keys() - self.tags(new).keys()
        if gone:
            self.ec2.delete_tags(Resources=[key], Tags=[{"Key": name} for name in gone])
        if tags:
            self.ec2.create_tags(Resources=[key], Tags=tag_list(tags))


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most of AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def missing(error: ClientError) -> bool:
    """Whether it says that there is no such thing."""
    code = error.response["Error"]["Code"]
    words = error.response["Error"].get("Message", "")
    return (
        code in ("NoSuchEntity", "ParameterNotFound")
        or code.endswith(("NotFound", "NotFoundException", "Malformed"))
        or (code == "ValidationError" and "not found" in words)
    )


def found(call: Callable[[], Any]) -> Any:
    """What a call gives; None when there is no such thing."""
    try:
        return call()
    except ClientError as error:
        if missing(error):
            return None
        raise


def gone(call: Callable[[], Any]) -> None:
    """Makes a call that removes something; nothing there is as good."""
    found(call)


def ids(value: Any, path: str = "") -> Iterator[Reference]:
    """Every id that stands anywhere in a value."""
    if isinstance(value, Mapping):
        for name, entry in value.items():
            yield from ids(entry, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from ids(entry, f"{path}[{index}]")
    elif isinstance(value, str) and (match := _ID.fullmatch(value)):
        yield Reference(path, match[1], value)


def exists(api: Api, reference: Reference) -> bool:
    """Whether AWS knows what is referred to."""
    ec2, key = api.ec2, reference.key
    ask: dict[str, Callable[[], Any]] = {
        "vpc": lambda: ec2.describe_vpcs(VpcIds=[key])["Vpcs"],
        "subnet": lambda: ec2.describe_subnets(SubnetIds=[key])["Subnets"],
        "igw": lambda: ec2.describe_internet_gateways(InternetGatewayIds=[key])["InternetGateways"],
        "nat": lambda: ec2.describe_nat_gateways(NatGatewayIds=[key])["NatGateways"],
        "rtb": lambda: ec2.describe_route_tables(RouteTableIds=[key])["RouteTables"],
        "sg": lambda: ec2.describe_security_groups(GroupIds=[key])["SecurityGroups"],
        "eipalloc": lambda: ec2.describe_addresses(AllocationIds=[key])["Addresses"],
        "lt": lambda: ec2.describe_launch_templates(LaunchTemplateIds=[key])["LaunchTemplates"],
        "i": lambda: ec2.describe_instances(InstanceIds=[key])["Reservations"],
        "ami": lambda: ec2.describe_images(ImageIds=[key])["Images"],
        "key pair": lambda: ec2.describe_key_pairs(KeyNames=[key])["KeyPairs"],
        "role": lambda: api.iam.get_role(RoleName=key),
        "instance profile": lambda: api.iam.get_instance_profile(InstanceProfileName=key),
        "Auto Scaling group": lambda: api.autoscaling.describe_auto_scaling_groups(
            AutoScalingGroupNames=[key]
        )["AutoScalingGroups"],
    }
    return bool(found(ask[reference.kind]))
