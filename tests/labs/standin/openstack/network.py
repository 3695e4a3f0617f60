"""Networks, subnets, routers and what they let through."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, ClassVar

from openstack.exceptions import ConflictException, NotFoundException

from labs.standin.carried import RefusedError, Values
from labs.standin.checking import Problem
from labs.standin.openstack.api import Api, OpenStackType, found


class _NetworkType(OpenStackType):
    """A thing of Neutron's that bears tags."""

    kind: ClassVar[str]
    """The thing in openstacksdk's methods."""

    def create(self, api: Api, inputs: Values) -> str:
        made = self._call(api, "create")(**self.asked(inputs))
        return str(made.id)

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        if inputs.get("tags"):
            self._tag(api, key, inputs)

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        thing = found(lambda: self._call(api, "get")(key))
        if thing is None:
            return None
        tags = sorted(thing.tags or ())
        # Tags of the cloud's own are no drift where none is declared.
        own = {} if old.get("tags") is None else {"tags": tags}
        return {**self.answered(api, thing), "tenantId": thing.project_id, "allTags": tags, **own}

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        asked = {a: new.get(p) for p, a in self.attributes.items() if p in changed}
        if asked:
            self._call(api, "update")(key, **asked)
        if "tags" in changed:
            self._tag(api, key, new)

    def delete(self, api: Api, key: str, old: Values) -> None:
        # Ports of servers that have just ended, and of routers, go a moment later.
        reasons = [""]

        def gone() -> bool:
            try:
                self._call(api, "delete")(key, ignore_missing=True)
            except ConflictException as error:
                reasons.append(str(error))
                return False
            return True

        try:
            api.wait(gone, key)
        except RefusedError as error:
            raise RefusedError(f"{error}: {reasons[-1]}") from error

    def _call(self, api: Api, verb: str) -> Any:
        return getattr(api.cloud.network, f"{verb}_{self.kind}")

    def _tag(self, api: Api, key: str, inputs: Values) -> None:
        api.cloud.network.set_tags(self._call(api, "get")(key), list(inputs.get("tags") or ()))


class Network(_NetworkType):
    """``openstack.networking.Network``."""

    token = "openstack:networking/network:Network"
    kind = "network"
    attributes: ClassVar = {
        "name": "name",
        "description": "description",
        "adminStateUp": "is_admin_state_up",
        "dnsDomain": "dns_domain",
        "mtu": "mtu",
        "portSecurityEnabled": "is_port_security_enabled",
        "shared": "is_shared",
        "external": "is_router_external",
        "availabilityZoneHints": "availability_zone_hints",
    }
    also = frozenset({"tags"})
    in_place = frozenset({"tags", *attributes} - {"availabilityZoneHints"})


class Subnet(_NetworkType):
    """``openstack.networking.Subnet``."""

    token = "openstack:networking/subnet:Subnet"
    kind = "subnet"
    attributes: ClassVar = {
        "name": "name",
        "description": "description",
        "networkId": "network_id",
        "cidr": "cidr",
        "ipVersion": "ip_version",
        "gatewayIp": "gateway_ip",
        "enableDhcp": "is_dhcp_enabled",
        "dnsNameservers": "dns_nameservers",
        "allocationPools": "allocation_pools",
        "ipv6AddressMode": "ipv6_address_mode",
        "ipv6RaMode": "ipv6_ra_mode",
    }
    also = frozenset({"tags", "noGateway"})
    in_place = frozenset(
        {
            *("tags", "name", "description", "gatewayIp", "noGateway", "enableDhcp"),
            *("dnsNameservers", "allocationPools"),
        }
    )
    choices: ClassVar = {
        "ipVersion": (4, 6),
        "ipv6AddressMode": ("slaac", "dhcpv6-stateful", "dhcpv6-stateless"),
        "ipv6RaMode": ("slaac", "dhcpv6-stateful", "dhcpv6-stateless"),
    }

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        yield from _cidr(inputs, "cidr")
        if inputs.get("gatewayIp") and inputs.get("noGateway"):
            yield Problem("noGateway", "is true beside a gatewayIp")

    def asked(self, inputs: Values) -> dict[str, Any]:
        none = {"gateway_ip": None} if inputs.get("noGateway") else {}
        return {"ip_version": 4, **super().asked(inputs), **none}


class Router(_NetworkType):
    """``openstack.networking.Router``."""

    token = "openstack:networking/router:Router"
    kind = "router"
    attributes: ClassVar = {
        "name": "name",
        "description": "description",
        "adminStateUp": "is_admin_state_up",
        "distributed": "is_distributed",
        "availabilityZoneHints": "availability_zone_hints",
    }
    _way = frozenset({"externalNetworkId", "enableSnat", "externalFixedIps"})
    also = frozenset({"tags", *_way})
    in_place = frozenset({"tags", "name", "description", "adminStateUp", *_way})

    def asked(self, inputs: Values) -> dict[str, Any]:
        if not inputs.get("externalNetworkId"):
            return super().asked(inputs)
        gateway: dict[str, Any] = {"network_id": inputs["externalNetworkId"]}
        if inputs.get("enableSnat") is not None:
            gateway["enable_snat"] = inputs["enableSnat"]
        if inputs.get("externalFixedIps"):
            names = {"subnetId": "subnet_id", "ipAddress": "ip_address"}
            gateway["external_fixed_ips"] = [
                {names[name]: value for name, value in fixed.items()}
                for fixed in inputs["externalFixedIps"]
            ]
        return {**super().asked(inputs), "external_gateway_info": gateway}

    def answered(self, api: Api, thing: Any) -> dict[str, Any]:
        gateway = thing.external_gateway_info or {}
        fixed = gateway.get("external_fixed_ips") or ()
        return {
            **super().answered(api, thing),
            "externalNetworkId": gateway.get("network_id"),
            "enableSnat": gateway.get("enable_snat"),
            "externalFixedIps": [
                {"subnetId": f["subnet_id"], "ipAddress": f["ip_address"]} for f in fixed
            ],
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if changed & self._way:
            way = self.asked(new).get("external_gateway_info") or {}
            api.cloud.network.update_router(key, external_gateway_info=way)
        super().update(api, key, new, old, changed)


class RouterInterface(OpenStackType):
    """``openstack.networking.RouterInterface``; its id is its port's."""

    token = "openstack:networking/routerInterface:RouterInterface"
    attributes: ClassVar = {"routerId": "router_id", "subnetId": "subnet_id", "portId": "port_id"}
    named = ""

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        if ("subnetId" in inputs) == ("portId" in inputs):
            yield Problem("subnetId", "or portId: exactly one of them is needed")

    def create(self, api: Api, inputs: Values) -> str:
        asked = self.asked(inputs)
        router = asked.pop("router_id")
        return str(api.cloud.network.add_interface_to_router(router, **asked)["port_id"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        port = found(lambda: api.cloud.network.get_port(key))
        return port and {
            "routerId": port.device_id,
            "subnetId": port.fixed_ips[0]["subnet_id"],
            "portId": key,
            "region": api.region,
        }

    def delete(self, api: Api, key: str, old: Values) -> None:
        try:
            api.cloud.network.remove_interface_from_router(old["routerId"], port_id=key)
        except NotFoundException:
            return


class SecGroup(_NetworkType):
    """``openstack.networking.SecGroup``."""

    token = "openstack:networking/secGroup:SecGroup"
    kind = "security_group"
    attributes: ClassVar = {
        "name": "name",
        "description": "description",
        "stateful": "stateful",
    }
    also = frozenset({"tags", "deleteDefaultRules"})
    in_place = frozenset({"tags", *attributes})

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        if inputs.get("deleteDefaultRules"):
            for rule in api.cloud.network.security_group_rules(security_group_id=key):
                api.cloud.network.delete_security_group_rule(rule.id)
        super().settle(api, key, inputs)


class SecGroupRule(OpenStackType):
    """``openstack.networking.SecGroupRule``; never changed, always made anew."""

    token = "openstack:networking/secGroupRule:SecGroupRule"
    attributes: ClassVar = {
        "direction": "direction",
        "ethertype": "ether_type",
        "securityGroupId": "security_group_id",
        "description": "description",
        "portRangeMax": "port_range_max",
        "portRangeMin": "port_range_min",
        "protocol": "protocol",
        "remoteGroupId": "remote_group_id",
        "remoteIpPrefix": "remote_ip_prefix",
    }
    named = ""
    choices: ClassVar = {
        "direction": ("ingress", "egress"),
        "ethertype": ("IPv4", "IPv6"),
        "protocol": (
            *("tcp", "udp", "icmp", "ipv6-icmp", "sctp", "ah", "dccp", "egp", "esp", "gre", "igmp"),
            *("ipv6-encap", "ipv6-frag", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ipip", "ospf"),
            *("pgm", "rsvp", "udplite", "vrrp", "", *map(str, range(256))),
        ),
    }

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        yield from _cidr(inputs, "remoteIpPrefix")
        least, most = inputs.get("portRangeMin"), inputs.get("portRangeMax")
        for name, port in (("portRangeMin", least), ("portRangeMax", most)):
            if isinstance(port, int) and not 0 <= port <= 65535:
                yield Problem(name, f"is {port}, a port is 0 to 65535")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Problem("portRangeMin", f"is {least}, more than portRangeMax, {most}")
        if (least is not None or most is not None) and not inputs.get("protocol"):
            yield Problem("protocol", "is missing beside a range of ports")

    def create(self, api: Api, inputs: Values) -> str:
        return str(api.cloud.network.create_security_group_rule(**self.asked(inputs)).id)

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        rule = found(lambda: api.cloud.network.get_security_group_rule(key))
        return rule and self.answered(api, rule)

    def delete(self, api: Api, key: str, old: Values) -> None:
        api.cloud.network.delete_security_group_rule(key, ignore_missing=True)


def _cidr(inputs: Values, name: str) -> Iterable[Problem]:
    if isinstance(inputs.get(name), str):
        try:
            ipaddress.ip_network(inputs[name])
        except ValueError as error:
            yield Problem(name, str(error))
