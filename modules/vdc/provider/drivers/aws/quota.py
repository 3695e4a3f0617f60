"""What an account may have in a region, against what sites are going to have there. Blocking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vdc.declaration.sites.aws import AwsGroup, AwsSite
from vdc.plan import NodeGroup, Site
from vdc.plan.tags import GROUP, SITE, ours
from vdc.provider.drivers.aws.cloud import Aws
from vdc.provider.drivers.aws.machines import RUNNING, machines, tags_of
from vdc.provider.drivers.aws.types import Type, Types

_STANDARD = "acdhimrtz"
"""First letters of the families that one quota counts together; the others have one each."""


@dataclass(frozen=True)
class Limit:
    """One quota: where Service Quotas has it, and what it counts."""

    service: str
    code: str
    noun: str


FIRM = Limit("ec2", "L-1216C47A", "virtual CPUs of standard on-demand instances")
SPOT = Limit("ec2", "L-34B43A08", "virtual CPUs of standard spot instances")
ADDRESSES = Limit("ec2", "L-0263D0A3", "elastic addresses")
VPCS = Limit("vpc", "L-F678F1CE", "VPCs")
LIMITS = (FIRM, SPOT, VPCS, ADDRESSES)


@dataclass(frozen=True)
class Need:
    """What is to come at a site.

    Attributes:
        lasting: How much more of each quota it takes for good.
        passing: How much more than that while machines are replaced.
    """

    lasting: Counter[Limit]
    passing: Counter[Limit]


def is_standard(name: str) -> bool:
    """Whether a type counts against :data:`FIRM` or :data:`SPOT`."""
    return name[0] in _STANDARD


class Account:
    """What an account has in a region, each thing asked for once.

    Args:
        aws: The account.
        types: The region's.
        datacenter: Whose things are ours.
        stack: Likewise.
    """

    def __init__(self, aws: Aws, types: Types, datacenter: str, stack: str) -> None:
        self._aws = aws
        self._types = types
        self._whose = datacenter, stack

    def kind(self, group: NodeGroup, declared: AwsSite) -> Type | None:
        """What a group's machines are, as far as that is known before AWS chooses."""
        own = declared.groups.get(group.name)
        names = own.instance_types if own else (declared.instance_type or "",)
        if names:
            return self._types.named(names).get(names[0])
        return self._types.smallest(group.size, ((own and own.os) or declared.os).arch)

    def more(self, group: NodeGroup) -> int:
        """How many machines of a group are to come."""
        return max(0, group.count - self._standing[group.site, group.name])

    def need(self, site: Site, declared: AwsSite) -> Need:
        """What a site takes that it has not yet."""
        lasting: Counter[Limit] = Counter()
        passing: Counter[Limit] = Counter()
        for group in site.groups:
            kind, own = self.kind(group, declared), declared.groups.get(group.name)
            if kind is None or not is_standard(kind.name):
                continue
            more = self.more(group)
            firm = min(more, _firm(own, more))
            lasting[FIRM] += firm * kind.cpus
            lasting[SPOT] += (more - firm) * kind.cpus
            if own and group.count:  # a server's successor comes when it has gone
                passing[SPOT if own.spot else FIRM] += max(1, group.count // 10) * kind.cpus
        if cidr := declared.network.cidr:
            made = any(vpc["CidrBlock"] == cidr for vpc in self._of_site(site, self._vpcs))
            lasting[VPCS] += not made
            if declared.egress == "nat":
                lasting[ADDRESSES] += not (made and any(self._of_site(site, self._addresses)))
        return Need(lasting, passing)

    def used(self, limit: Limit) -> int:
        """How much of a quota is taken, by whomever."""
        if limit is VPCS:
            return len(self._vpcs)
        if limit is ADDRESSES:
            return len(self._addresses)
        running = [
            raw["InstanceType"]
            for raw in self._machines
            if is_standard(raw["InstanceType"])
            and (raw.get("InstanceLifecycle") == "spot") is (limit is SPOT)
        ]
        known = self._types.named(running)
        return sum(known[name].cpus for name in running if name in known)

    def most(self, limit: Limit) -> int | None:
        """How much of it there may be; None where AWS does not say."""
        from botocore.exceptions import ClientError

        try:
            found = self._aws.client("service-quotas").get_service_quota(
                ServiceCode=limit.service, QuotaCode=limit.code
            )
        except ClientError:
            return None  # to ask is a right of its own, which nothing else here needs
        return int(found["Quota"]["Value"])

    @cached_property
    def _machines(self) -> list[Mapping[str, Any]]:
        return list(machines(self._aws, {"instance-state-name": RUNNING}))

    @cached_property
    def _vpcs(self) -> list[Mapping[str, Any]]:
        return list(self._aws.pages("ec2", "describe_vpcs", "Vpcs"))

    @cached_property
    def _addresses(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = self._aws.client("ec2").describe_addresses()["Addresses"]
        return found

    @cached_property
    def _standing(self) -> Counter[tuple[str, str]]:
        """How many instances of each group there are already, by site and group."""
        mine = [tags for raw in self._machines if ours(tags := tags_of(raw), *self._whose)]
        return Counter((tags.get(SITE, ""), tags.get(GROUP, "")) for tags in mine)

    def _of_site(self, site: Site, things: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        for raw in things:
            tags = tags_of(raw)
            if ours(tags, *self._whose) and tags.get(SITE) == site.name:
                yield raw


def _firm(own: AwsGroup | None, count: int) -> int:
    """How many of so many machines are bought for good."""
    return own.on_demand if own and own.spot else count
