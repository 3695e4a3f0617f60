"""Who reaches the machines of a site in AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pulumi
from pulumi_aws import ec2
from pulumi_aws.vpc import SecurityGroupEgressRule as Out
from pulumi_aws.vpc import SecurityGroupIngressRule as In

from vdc.declaration.sites.aws import AwsSite
from vdc.sites.aws.marks import Marks
from vdc.sites.doors import (
    DIALLED,
    EVERYWHERE_IPV4,
    EVERYWHERE_IPV6,
    SIGN_IN,
    once_all_are_there,
)

_EVERYWHERE = {"cidr_ipv4": EVERYWHERE_IPV4, "cidr_ipv6": EVERYWHERE_IPV6}

Rule = tuple[str, type[In | Out], dict[str, Any]]
"""What its name ends with, which way it is for, and what it says."""
Rules = Callable[[pulumi.Output[str]], Iterator[Rule]]
"""The rules of a security group, from the group's id."""


def members(site: AwsSite, vpc: pulumi.Input[str], marks: Marks) -> pulumi.Output[str]:
    """Machines reach each other and everything outside; nobody else reaches them, but for SSH."""

    def rules(group: pulumi.Output[str]) -> Iterator[Rule]:
        yield "inside", In, {"referenced_security_group_id": group, "ip_protocol": "-1"}
        for family, everywhere in _EVERYWHERE.items():
            yield f"out-{family[-4:]}", Out, {family: everywhere, "ip_protocol": "-1"}
        for source in site.access.sources if site.access else ():
            family = "cidr_ipv6" if ":" in source else "cidr_ipv4"
            yield f"access-{source.replace('/', '-')}", In, _tcp(SIGN_IN, family, source)

    return _security_group(vpc, marks, f"Machines of site {marks.label}", rules)


def dialled(vpc: pulumi.Input[str], marks: Marks) -> pulumi.Output[str]:
    """Control servers are dialled from everywhere; they ask for a certificate, or show one."""

    def rules(_: pulumi.Output[str]) -> Iterator[Rule]:
        for family, everywhere in _EVERYWHERE.items():
            for port in DIALLED:
                yield f"{port}-{family[-4:]}", In, _tcp(port, family, everywhere)

    return _security_group(vpc, marks, f"Control servers {marks.label}", rules)


def _tcp(port: int, family: str, source: str) -> dict[str, Any]:
    return {"ip_protocol": "tcp", "from_port": port, "to_port": port, family: source}


def _security_group(
    vpc: pulumi.Input[str], marks: Marks, what: str, rules: Rules
) -> pulumi.Output[str]:
    """Id of a security group that has these rules and no others, known once they are there."""
    made = ec2.SecurityGroup(
        marks.label,
        name=marks.name,
        description=f"{what}, made by vdc",
        vpc_id=vpc,
        tags=marks.named,
        opts=marks.opts,
    )
    parts = [
        rule(
            f"{marks.label}-{name}",
            security_group_id=made.id,
            tags=marks.tags,
            opts=marks.opts,
            **said,
        )
        for name, rule, said in rules(made.id)
    ]
    return once_all_are_there(made.id, *(part.id for part in parts))
