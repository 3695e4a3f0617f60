"""The instances that EC2 shows, and what each carries to say whose it is. Blocking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vdc.plan.tags import EXPIRES
from vdc.provider.drivers.aws.cloud import Aws

RUNNING = ("pending", "running")
"""States of an instance that stands or is about to."""
GONE = "terminated"
"""The state of one that is shown for a while and is no more."""
MEMBER = "aws:autoscaling:groupName"
"""The tag by which EC2 says of which Auto Scaling group an instance is."""
_AT_ONCE = 1000
"""EC2 tags no more things in one call."""


def machines(aws: Aws, chosen: Mapping[str, Sequence[str]]) -> Iterator[Mapping[str, Any]]:
    """Every instance that fits, by EC2's names of filters; gone ones are shown for a while."""
    filters = [{"Name": name, "Values": list(values)} for name, values in chosen.items()]
    for reservation in aws.pages("ec2", "describe_instances", "Reservations", Filters=filters):
        yield from reservation["Instances"]


def not_gone(aws: Aws, chosen: Mapping[str, Sequence[str]]) -> list[Mapping[str, Any]]:
    """Those of :func:`machines` that there are yet, the ending ones among them."""
    return [raw for raw in machines(aws, chosen) if raw["State"]["Name"] != GONE]


def tags_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """The tags of an instance, or of another thing that EC2 lists."""
    return {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}


def mark(aws: Aws, found: Iterable[Mapping[str, Any]], tags: Mapping[str, str]) -> None:
    """Makes these instances carry these tags of ours, and with each its volumes and cards.

    Idempotent: what has them is left alone.
    """
    wrong = [raw for raw in found if not _carries(tags_of(raw), tags)]
    things = [thing for raw in wrong for thing in _whole(raw)]
    written = [{"Key": key, "Value": value} for key, value in tags.items()]
    client = aws.client("ec2")
    for at in range(0, len(things), _AT_ONCE):
        some = things[at : at + _AT_ONCE]
        client.create_tags(Resources=some, Tags=written)
        if EXPIRES not in tags:
            client.delete_tags(Resources=some, Tags=[{"Key": EXPIRES}])


def _carries(found: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    return tags.items() <= found.items() and (EXPIRES in tags or EXPIRES not in found)


def _whole(raw: Mapping[str, Any]) -> Iterator[str]:
    """Ids of an instance and of what goes with it."""
    yield raw["InstanceId"]
    for disk in raw.get("BlockDeviceMappings", ()):
        yield disk["Ebs"]["VolumeId"]
    for card in raw.get("NetworkInterfaces", ()):
        yield card["NetworkInterfaceId"]
