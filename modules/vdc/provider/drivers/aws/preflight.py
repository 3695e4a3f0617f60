"""Whether AWS would carry what a plan wants there: asked, and nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from vdc.declaration.finding import Finding, Level, Path
from vdc.declaration.os import SystemVersion
from vdc.declaration.sites.aws import AwsGroup, AwsSite
from vdc.declaration.sites.aws.images import parameter
from vdc.declaration.sites.aws.subnets import FIRST, LAST, takes
from vdc.plan import NodeGroup, Plan, Site
from vdc.provider.drivers.aws.cloud import (
    AccountError,
    Aws,
    AwsError,
    CredentialError,
    RightsError,
    SilentError,
)
from vdc.provider.drivers.aws.inventory import of_site
from vdc.provider.drivers.aws.quota import ADDRESSES, LIMITS, VPCS, Account, Limit, is_standard
from vdc.provider.drivers.aws.types import Types
from vdc.provider.drivers.backend import Recorded

_UNKNOWN = "is none of the region's types"


async def preflight(plan: Plan, site: Site, stack: str, _recorded: Recorded) -> Sequence[Finding]:
    """See :data:`~vdc.provider.drivers.backend.Preflight`; the account is declared."""
    declared = AwsSite.model_validate_json(site.declared)
    here: Path = ("sites", site.name)
    try:
        return await of_site(site).ask(lambda aws: _findings(aws, plan, site, declared, stack))
    except AwsError as error:
        return [_unasked(here, declared, error)]


def _findings(aws: Aws, plan: Plan, site: Site, declared: AwsSite, stack: str) -> Sequence[Finding]:
    types = Types(aws)
    account = Account(aws, types, plan.name, stack)
    asked = _Asked(aws, ("sites", site.name), declared, types)
    asked.zones()
    asked.network()
    for group in site.groups:
        if group.role == "server":
            asked.servers(group, plan.control.addresses)
        else:
            own = declared.groups[group.name]
            asked.image(group, own)
            asked.types(group, own)
        asked.family(group, account)
    asked.quotas(account, site, _before(plan, site, declared))
    return list(dict.fromkeys(asked.findings))


def _before(plan: Plan, site: Site, declared: AwsSite) -> Mapping[Site, AwsSite]:
    """The sites of the same account and region that are served before this one."""
    found: dict[Site, AwsSite] = {}
    for other in plan.sites[: plan.sites.index(site)]:
        if other.kind == site.kind:
            theirs = AwsSite.model_validate_json(other.declared)
            if (theirs.account, theirs.region) == (declared.account, declared.region):
                found[other] = theirs
    return found


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


class _Asked:
    """One region's answers, and what they say of a declaration."""

    def __init__(self, aws: Aws, here: Path, declared: AwsSite, types: Types) -> None:
        self.findings: list[Finding] = []
        self._aws = aws
        self._ec2 = aws.client("ec2")
        self._here = here
        self._declared = declared
        self._types = types
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

    def servers(self, group: NodeGroup, addresses: Sequence[str]) -> None:
        """Whether there can be such control servers."""
        declared, kind = self._declared, self._declared.instance_type or ""
        self._image(self._here, declared.image, declared.os)
        known = self._types.named([kind]).get(kind)
        lack = known.lacks(group.size, declared.os.arch) if known else _UNKNOWN
        if lack:
            path = (*self._here, "instance_type")
            self._say(path, f"{lack} (got {kind})", "write a type that has the size of control:")
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

    def types(self, group: NodeGroup, own: AwsGroup) -> None:
        """Whether there are such machines."""
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
        if not (own.instance_types or self._types.smallest(group.size, os.arch)):
            self._say((*path, "size"), "is larger than every type", "declare a smaller one")

    def family(self, group: NodeGroup, account: Account) -> None:
        """A family with a quota of its own is said to be one that nobody has looked at."""
        kind = account.kind(group, self._declared)
        if kind and not is_standard(kind.name) and account.more(group):
            server = (*self._here, "instance_type")
            of_group = (*self._here, "groups", group.name, "instance_types", 0)
            self._say(
                server if group.role == "server" else of_group,
                f"counts against a quota of its own family, which was not asked (got {kind.name})",
                "see in Service Quotas, Amazon EC2, that it leaves room",
                level="warning",
            )

    def quotas(self, account: Account, site: Site, before: Mapping[Site, AwsSite]) -> None:
        """Whether the account may have what is to come, after what the sites before it get."""
        own = account.need(site, self._declared)
        every = [own, *(account.need(*other) for other in before.items())]
        paths: Mapping[Limit, Path] = {
            VPCS: (*self._here, "network", "cidr"),
            ADDRESSES: (*self._here, "egress"),
        }
        for limit in LIMITS:
            most = account.most(limit) if own.lasting[limit] or own.passing[limit] else None
            if most is None:
                continue
            used = account.used(limit)
            lasting = sum(need.lasting[limit] for need in every)
            passing = sum(need.passing[limit] for need in every)
            path = paths.get(limit, (*self._here, "groups"))
            with_others = "with the sites before it " if before else ""
            in_use = f"and {used} of the account's {most} are in use"
            if own.lasting[limit] and used + lasting > most:
                self._say(
                    path,
                    f"{with_others}needs {lasting} more {limit.noun}, {in_use}",
                    "have the quota raised (Service Quotas), or declare less",
                )
            elif used + lasting + passing > most:
                self._say(
                    path,
                    f"{with_others}leaves no room to replace machines: that takes {passing} more "
                    f"{limit.noun} for a while, {in_use}",
                    "have the quota raised (Service Quotas) before the next change of a template",
                    level="warning",
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

    def _say(self, path: Path, message: str, remedy: str, level: Level = "error") -> None:
        self.findings.append(Finding(path, message, remedy, level=level))
