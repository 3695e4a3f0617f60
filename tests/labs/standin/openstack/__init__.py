"""OpenStack, as ``pulumi-resource-openstack`` carries it out; here through openstacksdk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import openstack
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import ConfigException, SDKException

from labs.standin.carried import Cloud, Reference, Type
from labs.standin.openstack import compute, network
from labs.standin.openstack.api import Api, exists
from labs.standin.openstack.lookups import LOOKUPS

_TYPES: Mapping[str, Type] = {
    kind.token: kind()
    for kind in (
        *(network.Network, network.Subnet, network.Router, network.RouterInterface),
        *(network.SecGroup, network.SecGroupRule),
        *(compute.Keypair, compute.ServerGroup, compute.Instance),
    )
}
_NAMES = {
    "cloud": "cloud",
    "authUrl": "auth_url",
    "userName": "username",
    "password": "password",
    "tenantName": "project_name",
    "tenantId": "project_id",
    "userDomainName": "user_domain_name",
    "projectDomainName": "project_domain_name",
    "region": "region_name",
    "cacertFile": "cacert",
    "insecure": "insecure",
}


class OpenStack(Cloud):
    """A connection to each region that is asked for."""

    name = "openstack"
    types = _TYPES
    lookups = LOOKUPS

    def connected(self, region: str | None) -> Api:
        given = {to: v for n, to in _NAMES.items() if (v := self.settings.get(n))}
        made = openstack.connect(**{**given, **({"region_name": region} if region else {})})
        return Api(made, made.config.get_region_name() or region or "", self.stopping)

    def exists(self, api: Any, reference: Reference) -> bool:
        return exists(api, reference)

    def explain(self, error: Exception) -> str | None:
        if isinstance(error, (SDKException, ClientException, ConfigException)):
            return " ".join(str(error).split())[:500]
        return None


CLOUD = OpenStack
