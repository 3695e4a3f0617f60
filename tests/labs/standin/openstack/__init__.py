"""OpenStack, as ``pulumi-resource-openstack`` carries it out; here through openstacksdk."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import openstack
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import ConfigException, SDKException

from labs.standin.carried import Cloud, Lookup, Reference, Type, Values
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


@dataclass
class OpenStack(Cloud):
    """The provider's settings, and a connection to each region that is asked for."""

    name = "openstack"
    _settings: Values = field(default_factory=dict, repr=False)
    _apis: dict[str | None, Api] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def types(self) -> Mapping[str, Type]:
        return _TYPES

    @property
    def lookups(self) -> Mapping[str, Lookup]:
        return LOOKUPS

    def configure(self, settings: Values) -> None:
        self._settings = settings

    def api(self, region: str | None) -> Api:
        with self._lock:
            if region not in self._apis:
                given = {to: v for n, to in _NAMES.items() if (v := self._settings.get(n))}
                made = openstack.connect(**{**given, **({"region_name": region} if region else {})})
                name = made.config.get_region_name() or region or ""
                self._apis[region] = Api(made, name, self.stopping)
            return self._apis[region]

    def exists(self, api: Any, reference: Reference) -> bool:
        return exists(api, reference)

    def explain(self, error: Exception) -> str | None:
        if isinstance(error, (SDKException, ClientException, ConfigException)):
            return " ".join(str(error).split())[:500]
        return None


CLOUD = OpenStack
