"""Security groups, their rules in the three ways that the SDK offers, and key pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from labs.standin.aws.api import Api, found, gone
from labs.standin.aws.kind import AwsType, ec2_arn
from labs.standin.carried import Values
from labs.standin.checking import Problem

_DESCRIPTION = 255


class SecurityGroup(AwsType):
    """``aws.ec2.SecurityGroup``, without the rule for all ways out that AWS makes."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    asks = ("ec2", "CreateSecurityGroup")
    names: ClassVar = {"name": "GroupName"}
    also = frozenset({"ingress", "egress", "revokeRulesOnDelete"})
    in_place = frozenset({"tags", *also})
    named = "name"

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        name = inputs.get("name")
        if isinstance(name, str) and len(name) > _DESCRIPTION:
            yield Problem("name", f"has {len(name)} characters, AWS takes no more than 255")
        if isinstance(name, str) and name.startswith("sg-"):
            yield Problem("name", "begins with sg-, which AWS refuses")
        yield from _description(inputs)

    def create(self, api: Api, inputs: Values) -> str:
        described = {"description": "Managed by Pulumi", **inputs}
        asked = {**self.request(described), **api.tagging("security-group", inputs)}
        return str(api.ec2.create_security_group(**asked)["GroupId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        self._rules(api, key, "egress", [])
        self.update(api, key, inputs, inputs, frozenset({"ingress", "egress"} & inputs.keys()))

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        group = _group(api, key)
        if group is None:
            return None
        live = {
            "ingress": list(_of_permissions(group["IpPermissions"], key)),
            "egress": list(_of_permissions(group["IpPermissionsEgress"], key)),
        }
        for way, rules in live.items():
            if _flat(rules) == _flat(old.get(way) or []):
                live[way] = old.get(way) or []
        return {
            "arn": ec2_arn(api, "security-group", key),
            "name": group["GroupName"],
            "description": group["Description"],
            "vpcId": group["VpcId"],
            "ownerId": group.get("OwnerId"),
            **live,
            **api.tagged(group.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        for way in sorted(changed & {"ingress", "egress"}):
            self._rules(api, key, way, new.get(way) or [])
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        if old.get("revokeRulesOnDelete"):
            self._rules(api, key, "ingress", [])
            self._rules(api, key, "egress", [])
        gone(lambda: api.ec2.delete_security_group(GroupId=key))

    @staticmethod
    def _rules(api: Api, key: str, way: str, rules: list[Any]) -> None:
        group = _group(api, key)
        live = (
            group["IpPermissions" if way == "ingress" else "IpPermissionsEgress"] if group else []
        )
        now = _flat(_of_permissions(live, key))
        wanted = _flat(rules)
        for verb, some in (("revoke", now - wanted), ("authorize", wanted - now)):
            permissions = [_permission(dict(rule), key) for rule in sorted(some)]
            if permissions:
                call = getattr(api.ec2, f"{verb}_security_group_{way}")
                call(GroupId=key, IpPermissions=permissions)


class _Rule(AwsType):
    """One rule; ``aws.vpc.SecurityGroupIngressRule`` and ``…EgressRule``."""

    way: ClassVar[str]
    also = frozenset(
        {
            *("securityGroupId", "ipProtocol", "cidrIpv4", "cidrIpv6", "fromPort", "toPort"),
            *("prefixListId", "referencedSecurityGroupId", "description"),
        }
    )
    in_place = frozenset({"tags", *also} - {"securityGroupId"})

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        yield from _description(inputs)
        whom = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
        if sum(name in inputs for name in whom) != 1:
            yield Problem("", f"needs exactly one of {', '.join(whom)}")

    def create(self, api: Api, inputs: Values) -> str:
        call = getattr(api.ec2, f"authorize_security_group_{self.way}")
        answer = call(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[_permission(_single(inputs), inputs["securityGroupId"])],
            **api.tagging("security-group-rule", inputs),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        answer = found(lambda: api.ec2.describe_security_group_rules(SecurityGroupRuleIds=[key]))
        if not answer or not answer["SecurityGroupRules"]:
            return None
        rule = answer["SecurityGroupRules"][0]
        every = rule["IpProtocol"] == "-1"
        return {
            "arn": ec2_arn(api, "security-group-rule", key),
            "securityGroupRuleId": key,
            "securityGroupId": rule["GroupId"],
            "ipProtocol": rule["IpProtocol"],
            "fromPort": None if every else rule.get("FromPort"),
            "toPort": None if every else rule.get("ToPort"),
            "cidrIpv4": rule.get("CidrIpv4"),
            "cidrIpv6": rule.get("CidrIpv6"),
            "prefixListId": rule.get("PrefixListId"),
            "referencedSecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
            "description": rule.get("Description") or None,
            **api.tagged(rule.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if changed - {"tags"}:
            names = {
                "ipProtocol": "IpProtocol",
                "fromPort": "FromPort",
                "toPort": "ToPort",
                "cidrIpv4": "CidrIpv4",
                "cidrIpv6": "CidrIpv6",
                "prefixListId": "PrefixListId",
                "referencedSecurityGroupId": "ReferencedGroupId",
                "description": "Description",
            }
            rule = {member: new[name] for name, member in names.items() if name in new}
            api.ec2.modify_security_group_rules(
                GroupId=new["securityGroupId"],
                SecurityGroupRules=[{"SecurityGroupRuleId": key, "SecurityGroupRule": rule}],
            )
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        call = getattr(api.ec2, f"revoke_security_group_{self.way}")
        gone(lambda: call(GroupId=old["securityGroupId"], SecurityGroupRuleIds=[key]))


class IngressRule(_Rule):
    """``aws.vpc.SecurityGroupIngressRule``."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    asks = ("ec2", "AuthorizeSecurityGroupIngress")
    way = "ingress"


class EgressRule(_Rule):
    """``aws.vpc.SecurityGroupEgressRule``."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    asks = ("ec2", "AuthorizeSecurityGroupEgress")
    way = "egress"


class KeyPair(AwsType):
    """``aws.ec2.KeyPair``."""

    token = "aws:ec2/keyPair:KeyPair"
    asks = ("ec2", "ImportKeyPair")
    names: ClassVar = {"publicKey": "PublicKeyMaterial"}
    in_place = frozenset({"tags"})
    named = "keyName"
    makes = "key pair"

    def create(self, api: Api, inputs: Values) -> str:
        asked = {**self.request(inputs), **api.tagging("key-pair", inputs)}
        return str(api.ec2.import_key_pair(**asked)["KeyName"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        answer = found(lambda: api.ec2.describe_key_pairs(KeyNames=[key]))
        if not answer or not answer["KeyPairs"]:
            return None
        pair = answer["KeyPairs"][0]
        return {
            "arn": ec2_arn(api, "key-pair", key),
            "keyName": key,
            "keyPairId": pair["KeyPairId"],
            "fingerprint": pair["KeyFingerprint"],
            **api.tagged(pair.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        api.retag(old["keyPairId"], new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.ec2.delete_key_pair(KeyName=key))


# One permission for one peer, in the words of an inline rule, so that sets of them can be compared.
_PEERS = (
    ("cidrBlocks", "IpRanges", "CidrIp"),
    ("ipv6CidrBlocks", "Ipv6Ranges", "CidrIpv6"),
    ("prefixListIds", "PrefixListIds", "PrefixListId"),
    ("securityGroups", "UserIdGroupPairs", "GroupId"),
)


def _flat(rules: Iterable[Mapping[str, Any]]) -> set[tuple[tuple[str, Any], ...]]:
    return {tuple(sorted(one.items())) for rule in rules for one in _peers(rule)}


def _peers(rule: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    every = str(rule["protocol"]) in ("-1", "all")
    base = {
        "protocol": "-1" if every else rule["protocol"],
        "fromPort": 0 if every else rule["fromPort"],
        "toPort": 0 if every else rule["toPort"],
        "description": rule.get("description") or "",
    }
    for name, _, _ in _PEERS:
        for peer in rule.get(name) or ():
            yield {**base, "kind": name, "peer": peer}
    if rule.get("self"):
        yield {**base, "kind": "self", "peer": ""}


def _permission(one: Mapping[str, Any], group: str) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": one["protocol"]}
    if one["protocol"] != "-1":
        permission |= {"FromPort": one["fromPort"], "ToPort": one["toPort"]}
    described = {"Description": one["description"]} if one["description"] else {}
    if one["kind"] == "self":
        return {**permission, "UserIdGroupPairs": [{"GroupId": group, **described}]}
    ((member, key),) = ((m, k) for name, m, k in _PEERS if name == one["kind"])
    return {**permission, member: [{key: one["peer"], **described}]}


def _single(inputs: Values) -> dict[str, Any]:
    whom = {
        "cidrIpv4": "cidrBlocks",
        "cidrIpv6": "ipv6CidrBlocks",
        "prefixListId": "prefixListIds",
        "referencedSecurityGroupId": "securityGroups",
    }
    ((name, kind),) = ((name, kind) for name, kind in whom.items() if inputs.get(name))
    return {
        "protocol": inputs["ipProtocol"],
        "fromPort": inputs.get("fromPort"),
        "toPort": inputs.get("toPort"),
        "description": inputs.get("description", ""),
        "kind": kind,
        "peer": inputs[name],
    }


def _of_permissions(permissions: Iterable[Any], group: str) -> Iterator[dict[str, Any]]:
    for permission in permissions:
        base = {
            "protocol": permission["IpProtocol"],
            "fromPort": permission.get("FromPort", 0),
            "toPort": permission.get("ToPort", 0),
        }
        for name, member, key in _PEERS:
            for peer in permission.get(member) or ():
                rule = {**base, "description": peer.get("Description", "")}
                yield {**rule, "self": True} if peer[key] == group else {**rule, name: [peer[key]]}


def _group(api: Api, key: str) -> Any:
    answer = found(lambda: api.ec2.describe_security_groups(GroupIds=[key]))
    return answer["SecurityGroups"][0] if answer and answer["SecurityGroups"] else None


def _description(inputs: Values) -> Iterator[Problem]:
    text = inputs.get("description")
    if isinstance(text, str) and len(text) > _DESCRIPTION:
        yield Problem("description", f"has {len(text)} characters, AWS takes no more than 255")
