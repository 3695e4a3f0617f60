"""Whether AWS would carry what a plan wants there: asked, and nothing is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

from vdc.declaration.finding import Finding, Path
from vdc.declaration.os import SystemVersion
from vdc.declaration.sites.aws import AwsGroup, AwsSite, Spot
from vdc.declaration.sites.aws.images import parameter
from vdc.declaration.sites.aws.subnets import FIRST, LAST, takes
from vdc.plan import NodeGroup, Plan, Site
from vdc.plan.tags import DATACENTER, GROUP, SITE, ours
from vdc.provider.drivers.aws.cloud import (
    AccountError,
    Aws,
    AwsError,
    CredentialError,
    RightsError,
    SilentError,
)
from vdc.provider.drivers.aws.reaping import of_site
from vdc.provider.drivers.aws.types import Types, is_standard, quota

_UNKNOWN = "is none of the region's types"


async def preflight(plan: Plan, site: Site, stack: str) -> Sequence[Finding]:
    """See :data:`~vdc.provider.drivers.backend.Preflight`."""
    declared = AwsSite.model_validate_json(site.declared)
    here: Path = ("sites", site.name)
    try:
        return await of_site(site).ask(lambda aws: _findings(aws, plan, site, declared, stack))
    except AwsError as error:
        return [_unasked(here, declared, error)]


def _findings(aws: Aws, plan: Plan, site: Site, declared: AwsSite, stack: str) -> Sequence[Finding]:
    asked = _Asked(aws, ("sites", site.name), declared)
    asked.zones()
    asked.network()
    standing = _standing(aws, plan.name, stack)
    for group in site.groups:
        more = max(0, group.count - standing[site.name, group.name])
        if group.role == "server":
            asked.servers(group, plan.control.addresses, more)
        else:
            own = declared.groups[group.name]
            asked.image(group, own)
            asked.types(group, own, more)
    asked.quota()
    return list(dict.fromkeys(asked.findings))


def _unasked(here: Path, declared: AwsSite, error: AwsError) -> Finding:
    """Nobody answers, or not to us: which of the declared values is to blame, if it is one."""
    signed_in: Path = (*here, "profile") if declared.profile else here
    match error:
        case AccountError():
            return Finding(
                (*here, "account"),
                f"is not the credential's (got {declared.account}): {error}",
                "name the profile of this account, or declare the account that you are signed in "
                "to",
            )
        case CredentialError():
            return Finding(
                signed_in,
                f"has no credential that AWS takes: {error}",
                "sign in with AWS's own tools, or name the profile that holds a good credential",
            )
        case RightsError():
            return Finding(
                signed_in,
                f"has a credential that may not ask: {error}",
                "give its user or role this right, or name the profile of one that has it",
            )
        case SilentError():
            return Finding(
                (*here, "region"),
                f"cannot be asked (got {declared.region}): {error}",
                "write the code of a region that the account has switched on",
            )
    return Finding(here, f"cannot be asked: {error}", "mend that, then run vdc preflight again")


def _standing(aws: Aws, datacenter: str, stack: str) -> Counter[tuple[str, str]]:
    """How many instances of each group there are already, by site and group."""
    chosen = [
        {"Name": f"tag:{DATACENTER}", "Values": [datacenter]},
        {"Name": "instance-state-name", "Values": ["pending", "running"]},
    ]
    counted: Counter[tuple[str, str]] = Counter()
    for reservation in aws.pages("ec2", "describe_instances", "Reservations", Filters=chosen):
        for raw in reservation["Instances"]:
            tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", ())}
            if ours(tags, datacenter, stack):
                counted[tags.get(SITE, ""), tags.get(GROUP, "")] += 1
    return counted


class _Asked:
    """One region's answers, and what they say of a declaration."""

    def __init__(self, aws: Aws, here: Path, declared: AwsSite) -> None:
        self.findings: list[Finding] = []
        self._aws = aws
        self._ec2 = aws.client("ec2")
        self._here = here
        self._declared = declared
        self._types = Types(aws)
        self._need = {False: 0, True: 0}
        """Virtual CPUs that are to come: bought firmly, and of the market."""
        self._blocks: dict[str, IPv4Network] = {}
        """Of the existing VPC's subnets."""

    def zones(self) -> None:
        """Whether the region has the zones, and they are up."""
        answer = self._ec2.describe_availability_zones()["AvailabilityZones"]
        known = {zone["ZoneName"] for zone in answer if zone["State"] == "available"}
        wanted: dict[Path, tuple[str, ...]] = {(*self._here, "zones"): self._declared.zones}
        for name, group in self._declared.groups.items():
            wanted[(*self._here, "groups", name, "zones")] = group.zones
        for path, zones in wanted.items():
            for index, zone in enumerate(zones):
                if zone not in known:
                    self._say(
                        (*path, index),
                        f"is no zone that the account has (got {zone})",
                        f"write one of {', '.join(sorted(known))}",
                    )

    def network(self) -> None:
        """Whether the VPC is there, and the subnets are its."""
        network, path = self._declared.network, (*self._here, "network")
        if network.vpc is None:
            return
        chosen = [{"Name": "vpc-id", "Values": [network.vpc]}]
        if not self._ec2.describe_vpcs(Filters=chosen)["Vpcs"]:
            self._say(
                (*path, "vpc"),
                f"is no VPC of the account in {self._declared.region} (got {network.vpc})",
                "write the ID of one that is there, or cidr: for one to make",
            )
            return
        pages = self._aws.pages("ec2", "describe_subnets", "Subnets", Filters=chosen)
        self._blocks = {raw["SubnetId"]: IPv4Network(raw["CidrBlock"]) for raw in pages}
        known = self._blocks.keys()
        for index, subnet in enumerate(network.subnets):
            if subnet not in known:
                self._say(
                    (*path, "subnets", index),
                    f"is no subnet of {network.vpc} (got {subnet})",
                    f"write one of {', '.join(sorted(known)) or 'its subnets, once it has some'}",
                )

    def image(self, group: NodeGroup, own: AwsGroup) -> None:
        """Whether the image is there, and is for machines of the declared architecture."""
        if not (own.image or own.os):
            self._image(self._here, self._declared.image, self._declared.os)
        else:
            here = (*self._here, "groups", group.name)
            self._image(here, own.image, own.os or self._declared.os)

    def servers(self, group: NodeGroup, addresses: Sequence[str], more: int) -> None:
        """Whether there are such control servers; what they take of the quota is kept."""
        declared, kind = self._declared, self._declared.instance_type or ""
        self._image(self._here, declared.image, declared.os)
        known = self._types.named([kind]).get(kind)
        lack = known.lacks(group.size, declared.os.arch) if known else _UNKNOWN
        if lack:
            path = (*self._here, "instance_type")
            self._say(path, f"{lack} (got {kind})", "write a type that has the size of control:")
        elif known and is_standard(kind):
            self._need[False] += more * known.cpus
        parts = [part for id_, part in self._blocks.items() if id_ in declared.network.subnets]
        for index, address in enumerate(addresses):
            if parts and not any(takes(part, address) for part in parts):
                self._say(
                    ("control", "addresses", index),
                    f"is no machine's address in a subnet of the servers (got {address})",
                    f"write one of {', '.join(f'{p[FIRST]} to {p[LAST]}' for p in parts)}",
                )

    def _image(self, here: Path, image: str | None, os: SystemVersion) -> None:
        path = (*here, "image" if image else "os")
        image = image or self._named(path, parameter(os))
        if image is None:
            return
        chosen = [{"Name": "image-id", "Values": [image]}]
        found = self._ec2.describe_images(Filters=chosen)["Images"]
        if not found:
            self._say(
                path,
                f"is no image that the account sees in {self._declared.region} (got {image})",
                "write the ID of one that is there; each region has its own",
            )
        elif found[0].get("Architecture") not in (None, {"amd64": "x86_64"}.get(os.arch, os.arch)):
            self._say(
                path,
                f"is for {found[0]['Architecture']}, and the machines are {os.arch} (got {image})",
                "take the image of this architecture, or declare the other one",
            )

    def types(self, group: NodeGroup, own: AwsGroup, more: int) -> None:
        """Whether there are such machines; what those to come take of the quota is kept."""
        os = own.os or self._declared.os
        path = (*self._here, "groups", group.name)
        known = self._types.named(own.instance_types)
        for index, name in enumerate(own.instance_types):
            kind = known.get(name)
            lack = kind.lacks(group.size, os.arch) if kind else _UNKNOWN
            if lack:
                self._say(
                    (*path, "instance_types", index),
                    f"{lack} (got {name})",
                    "write another type, or leave all out for those that have the size",
                )
        if own.instance_types:
            chosen = known.get(own.instance_types[0])
        else:
            chosen = self._types.smallest(group.size, os.arch)
            if chosen is None:
                self._say((*path, "size"), "is larger than every type", "declare a smaller one")
        if chosen and is_standard(chosen.name):
            kept = own.spot.on_demand if isinstance(own.spot, Spot) else 0
            firm = min(more, kept) if own.spot else more
            self._need[False] += firm * chosen.cpus
            self._need[True] += (more - firm) * chosen.cpus

    def quota(self) -> None:
        """Whether the account may run what is to come."""
        for spot, need in self._need.items():
            if not need:
                continue
            there = quota(self._aws, self._types, spot=spot)
            if there.most is not None and there.used + need > there.most:
                which = "spot" if spot else "on-demand"
                self._say(
                    (*self._here, "groups"),
                    f"needs {need} more virtual CPUs of standard {which} instances, and "
                    f"{there.used} of the account's {there.most} are in use",
                    "have the quota raised (Service Quotas, Amazon EC2), or declare fewer machines",
                )

    def _named(self, path: Path, name: str | None) -> str | None:
        """The image that a system's publisher names; None after a finding."""
        from botocore.exceptions import ClientError

        if name is None:  # as the declaration's rules say
            return None
        try:
            answer: Any = self._aws.client("ssm").get_parameter(Name=name)
        except ClientError as error:
            self._say(
                path,
                f"has no image in {self._declared.region}: {name}: {error}",
                "write image: with the ID of one that you have",
            )
            return None
        return str(answer["Parameter"]["Value"])

    def _say(self, path: Path, message: str, remedy: str) -> None:
        self.findings.append(Finding(path, message, remedy))
