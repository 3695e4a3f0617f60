"""AWS, as ``pulumi-resource-aws`` carries it out; here through boto3."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from labs.standin.aws import iam, machines, network, routing, scaling, security
from labs.standin.aws.api import Api, exists
from labs.standin.aws.lookups import LOOKUPS
from labs.standin.carried import Cloud, Reference, RefusedError, Type, Values

_TYPES: Mapping[str, Type] = {
    kind.token: kind()
    for kind in (
        *(network.Vpc, network.Subnet, network.InternetGateway, network.Eip, network.NatGateway),
        *(routing.RouteTable, routing.Route, routing.RouteTableAssociation),
        *(security.SecurityGroup, security.IngressRule, security.EgressRule, security.KeyPair),
        *(machines.LaunchTemplate, machines.Instance),
        *(scaling.Group, scaling.LifecycleHook, scaling.Tag),
        *(iam.Role, iam.RolePolicy, iam.RolePolicyAttachment, iam.InstanceProfile),
    )
}


class Aws(Cloud):
    """A connection to each region that is asked for."""

    name = "aws"
    types = _TYPES
    lookups = LOOKUPS

    def configure(self, settings: Values) -> None:
        super().configure(settings)
        if settings.get("skipCredentialsValidation"):
            return
        account = self.api(None).account
        allowed = settings.get("allowedAccountIds")
        if allowed and account not in allowed:
            raise RefusedError(f"the credential is of account {account}, not {', '.join(allowed)}")

    def connected(self, region: str | None) -> Api:
        names = {"accessKey": "aws_access_key_id", "secretKey": "aws_secret_access_key"}
        names |= {"token": "aws_session_token", "profile": "profile_name", "region": "region_name"}
        given = {to: self.settings[of] for of, to in names.items() if self.settings.get(of)}
        session = boto3.Session(**given)
        # AWS_REGION is read by the real plugin, and not by boto3.
        own = self.settings.get("region") or os.environ.get("AWS_REGION")
        name = region or own or session.region_name
        if not name:
            raise RefusedError("no region: set `region` of the provider, or AWS_REGION")
        tags = (self.settings.get("defaultTags") or {}).get("tags") or {}
        return Api(session, name, tags, self.stopping)

    def exists(self, api: Any, reference: Reference) -> bool:
        return exists(api, reference)

    def explain(self, error: Exception) -> str | None:
        if isinstance(error, ClientError):
            return f"{error.operation_name}: {_words(error)}"
        if isinstance(error, (BotoCoreError, ResponseParserError)):
            return " ".join(str(error).split())[:300]
        return None


def _words(error: ClientError) -> str:
    said = error.response["Error"]
    return f"{said.get('Code')}: {' '.join(str(said.get('Message', '')).split())}"


CLOUD = Aws
