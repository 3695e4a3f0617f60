"""Roles, what they may, and the profiles in which instances carry them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

from labs.standin.aws.api import Api, found, gone, tag_list
from labs.standin.aws.kind import AwsType
from labs.standin.carried import Values
from labs.standin.checking import Problem


class _Tagged(AwsType):
    """What IAM tags through calls of its own, by the kind's name in them."""

    kind: ClassVar[str]

    def _retag(self, api: Api, key: str, new: Values, old: Values) -> None:
        which = {f"{self.kind}Name": key}
        verb = {"Role": "role", "InstanceProfile": "instance_profile"}[self.kind]
        left = (old.get("tags") or {}).keys() - api.tags(new).keys()
        if left:
            getattr(api.iam, f"untag_{verb}")(**which, TagKeys=sorted(left))
        getattr(api.iam, f"tag_{verb}")(**which, Tags=tag_list(api.tags(new)))


class Role(_Tagged):
    """``aws.iam.Role``, with policies of its own if declared."""

    token = "aws:iam/role:Role"
    asks = ("iam", "CreateRole")
    kind = "Role"
    names: ClassVar = {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"}
    also = frozenset({"inlinePolicies", "managedPolicyArns", "forceDetachPolicies"})
    in_place = frozenset({"tags", "assumeRolePolicy", "description", "maxSessionDuration", *also})
    named = "name"
    makes = "role"

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        yield from _policy(inputs, "assumeRolePolicy")

    def create(self, api: Api, inputs: Values) -> str:
        asked = self.request({**inputs, "assumeRolePolicy": _text(inputs["assumeRolePolicy"])})
        api.iam.create_role(**asked, Tags=tag_list(api.tags(inputs)))
        return str(inputs["name"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        self._policies(api, key, inputs, {})

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        answer = found(lambda: api.iam.get_role(RoleName=key))
        if answer is None:
            return None
        role = answer["Role"]
        declared, live = old.get("assumeRolePolicy"), role["AssumeRolePolicyDocument"]
        return {
            "arn": role["Arn"],
            "name": key,
            "path": role["Path"],
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].isoformat(),
            "description": role.get("Description") or None,
            "maxSessionDuration": role.get("MaxSessionDuration"),
            "assumeRolePolicy": declared if _same(declared, live) else json.dumps(live),
            **api.tagged(role.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if "assumeRolePolicy" in changed:
            api.iam.update_assume_role_policy(
                RoleName=key, PolicyDocument=_text(new["assumeRolePolicy"])
            )
        plain = {"description": "Description", "maxSessionDuration": "MaxSessionDuration"}
        asked = {m: new[n] for n, m in plain.items() if n in changed and n in new}
        if asked:
            api.iam.update_role(RoleName=key, **asked)
        if changed & self.also:
            self._policies(api, key, new, old)
        if "tags" in changed:
            self._retag(api, key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        answer = found(lambda: api.iam.list_instance_profiles_for_role(RoleName=key))
        if answer is None:
            return
        for profile in answer["InstanceProfiles"]:
            name = profile["InstanceProfileName"]
            api.iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=key)
        self._policies(api, key, {}, old)
        gone(lambda: api.iam.delete_role(RoleName=key))

    @staticmethod
    def _policies(api: Api, key: str, new: Values, old: Values) -> None:
        wanted, had = (
            {p["name"]: p["policy"] for p in v.get("inlinePolicies") or ()} for v in (new, old)
        )
        for name in had.keys() - wanted.keys():
            gone(partial(api.iam.delete_role_policy, RoleName=key, PolicyName=name))
        for name, text in wanted.items():
            api.iam.put_role_policy(RoleName=key, PolicyName=name, PolicyDocument=_text(text))
        arns, were = (set(v.get("managedPolicyArns") or ()) for v in (new, old))
        for arn in were - arns:
            gone(partial(api.iam.detach_role_policy, RoleName=key, PolicyArn=arn))
        for arn in arns - were:
            api.iam.attach_role_policy(RoleName=key, PolicyArn=arn)


class RolePolicy(AwsType):
    """``aws.iam.RolePolicy``."""

    token = "aws:iam/rolePolicy:RolePolicy"
    asks = ("iam", "PutRolePolicy")
    names: ClassVar = {"name": "PolicyName", "role": "RoleName", "policy": "PolicyDocument"}
    in_place = frozenset({"policy"})
    named = "name"
    refers: ClassVar = {"role": "role"}

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        yield from _policy(inputs, "policy")

    def create(self, api: Api, inputs: Values) -> str:
        api.iam.put_role_policy(**self.request({**inputs, "policy": _text(inputs["policy"])}))
        return f"{inputs['role']}:{inputs['name']}"

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        role, _, name = key.partition(":")
        answer = found(lambda: api.iam.get_role_policy(RoleName=role, PolicyName=name))
        if answer is None:
            return None
        declared, live = old.get("policy"), answer["PolicyDocument"]
        policy = declared if _same(declared, live) else json.dumps(live)
        return {"role": role, "name": name, "policy": policy}

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        self.create(api, new)

    def delete(self, api: Api, key: str, old: Values) -> None:
        role, _, name = key.partition(":")
        gone(lambda: api.iam.delete_role_policy(RoleName=role, PolicyName=name))


class RolePolicyAttachment(AwsType):
    """``aws.iam.RolePolicyAttachment``."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    asks = ("iam", "AttachRolePolicy")
    names: ClassVar = {"role": "RoleName"}
    refers: ClassVar = {"role": "role"}

    def create(self, api: Api, inputs: Values) -> str:
        api.iam.attach_role_policy(**self.request(inputs))
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        answer = found(lambda: api.iam.list_attached_role_policies(RoleName=old["role"]))
        attached = [policy["PolicyArn"] for policy in (answer or {}).get("AttachedPolicies", ())]
        return dict(old) if old["policyArn"] in attached else None

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.iam.detach_role_policy(**self.request(_known(old, "role", "policyArn"))))


class InstanceProfile(_Tagged):
    """``aws.iam.InstanceProfile``."""

    token = "aws:iam/instanceProfile:InstanceProfile"
    asks = ("iam", "CreateInstanceProfile")
    kind = "InstanceProfile"
    names: ClassVar = {"name": "InstanceProfileName"}
    also = frozenset({"role"})
    in_place = frozenset({"tags", "role"})
    named = "name"
    makes = "instance profile"
    refers: ClassVar = {"role": "role"}

    def create(self, api: Api, inputs: Values) -> str:
        api.iam.create_instance_profile(**self.request(inputs), Tags=tag_list(api.tags(inputs)))
        return str(inputs["name"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        if inputs.get("role"):
            api.iam.add_role_to_instance_profile(InstanceProfileName=key, RoleName=inputs["role"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        answer = found(lambda: api.iam.get_instance_profile(InstanceProfileName=key))
        if answer is None:
            return None
        profile = answer["InstanceProfile"]
        return {
            "arn": profile["Arn"],
            "name": key,
            "path": profile["Path"],
            "uniqueId": profile["InstanceProfileId"],
            "createDate": profile["CreateDate"].isoformat(),
            "role": next((role["RoleName"] for role in profile["Roles"]), None),
            **api.tagged(profile.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if "role" in changed:
            self._empty(api, key)
            self.settle(api, key, new)
        if "tags" in changed:
            self._retag(api, key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        self._empty(api, key)
        gone(lambda: api.iam.delete_instance_profile(InstanceProfileName=key))

    def _empty(self, api: Api, key: str) -> None:
        role = (self.read(api, key, {}) or {}).get("role")
        if role:
            api.iam.remove_role_from_instance_profile(InstanceProfileName=key, RoleName=role)


def _text(policy: Any) -> str:
    return policy if isinstance(policy, str) else json.dumps(policy)


def _same(declared: Any, live: Any) -> bool:
    return declared is not None and json.loads(_text(declared)) == live


def _policy(inputs: Values, name: str) -> Iterator[Problem]:
    if not isinstance(inputs.get(name), str):
        return
    try:
        document = json.loads(inputs[name])
    except ValueError as error:
        yield Problem(name, f"is not JSON: {error}")
        return
    if not isinstance(document, dict) or "Statement" not in document:
        yield Problem(name, "is no policy: it has no Statement")


def _known(values: Values, *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}
