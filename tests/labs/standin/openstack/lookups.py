"""The functions of ``pulumi_openstack`` that ask what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labs.standin.carried import Lookup, RefusedError, Values
from labs.standin.openstack.api import Api


def _network(api: Api, arguments: Values) -> Values:
    asked = {"name": "name", "networkId": "id", "external": "is_router_external"}
    network = _only(api.cloud.network.networks(**_query(arguments, asked)), "network", arguments)
    return {
        "id": network.id,
        "networkId": network.id,
        "name": network.name,
        "adminStateUp": str(network.is_admin_state_up).lower(),
        "external": network.is_router_external,
        "mtu": network.mtu,
        "shared": str(network.is_shared).lower(),
        "subnets": network.subnet_ids,
        "tenantId": network.project_id,
        "allTags": network.tags,
        "availabilityZoneHints": network.availability_zone_hints,
        "region": api.region,
    }


def _subnet(api: Api, arguments: Values) -> Values:
    asked = {"name": "name", "subnetId": "id", "networkId": "network_id", "cidr": "cidr"}
    asked |= {"ipVersion": "ip_version", "gatewayIp": "gateway_ip"}
    subnet = _only(api.cloud.network.subnets(**_query(arguments, asked)), "subnet", arguments)
    return {
        "id": subnet.id,
        "subnetId": subnet.id,
        "name": subnet.name,
        "networkId": subnet.network_id,
        "cidr": subnet.cidr,
        "ipVersion": subnet.ip_version,
        "gatewayIp": subnet.gateway_ip,
        "enableDhcp": subnet.is_dhcp_enabled,
        "dnsNameservers": subnet.dns_nameservers,
        "allocationPools": subnet.allocation_pools,
        "tenantId": subnet.project_id,
        "allTags": subnet.tags,
        "region": api.region,
    }


def _subnet_ids(api: Api, arguments: Values) -> Values:
    asked = {"name": "name", "networkId": "network_id", "cidr": "cidr", "ipVersion": "ip_version"}
    found = api.cloud.network.subnets(**_query(arguments, asked))
    return {"id": api.region, "ids": sorted(s.id for s in found), "region": api.region}


def _router(api: Api, arguments: Values) -> Values:
    asked = {"name": "name", "routerId": "id"}
    router = _only(api.cloud.network.routers(**_query(arguments, asked)), "router", arguments)
    gateway = router.external_gateway_info or {}
    return {
        "id": router.id,
        "routerId": router.id,
        "name": router.name,
        "externalNetworkId": gateway.get("network_id"),
        "tenantId": router.project_id,
        "region": api.region,
    }


def _group(api: Api, arguments: Values) -> Values:
    asked = {"name": "name", "secgroupId": "id"}
    found = api.cloud.network.security_groups(**_query(arguments, asked))
    group = _only(found, "security group", arguments)
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenantId": group.project_id,
        "allTags": group.tags,
        "region": api.region,
    }


def _image(api: Api, arguments: Values) -> Values:
    found = list(api.cloud.image.images(**_query(arguments, {"name": "name"})))
    found.sort(key=lambda image: str(image.created_at), reverse=True)
    image = found[0] if found and arguments.get("mostRecent") else _only(found, "image", arguments)
    return {"id": image.id, "name": image.name, "sizeBytes": image.size, "region": api.region}


def _flavor(api: Api, arguments: Values) -> Values:
    wanted = {"name": "name", "flavorId": "id", "vcpus": "vcpus", "ram": "ram"}
    asked = _query(arguments, wanted)
    every = api.cloud.compute.flavors()
    found = [f for f in every if all(getattr(f, name) == value for name, value in asked.items())]
    flavor = _only(found, "flavor", arguments)
    return {
        "id": flavor.id,
        "flavorId": flavor.id,
        "name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "isPublic": flavor.is_public,
        "region": api.region,
    }


LOOKUPS: Mapping[str, Lookup] = {
    "openstack:networking/getNetwork:getNetwork": _network,
    "openstack:networking/getSubnet:getSubnet": _subnet,
    "openstack:networking/getSubnetIdsV2:getSubnetIdsV2": _subnet_ids,
    "openstack:networking/getRouter:getRouter": _router,
    "openstack:networking/getSecGroup:getSecGroup": _group,
    "openstack:images/getImage:getImage": _image,
    "openstack:compute/getFlavor:getFlavor": _flavor,
}


def _query(arguments: Values, names: Mapping[str, str]) -> dict[str, Any]:
    left = arguments.keys() - names.keys() - {"region", "mostRecent"}
    if any(arguments[name] is not None for name in left):
        raise RefusedError(f"the stand-in does not look up by {', '.join(sorted(left))}")
    return {a: arguments[n] for n, a in names.items() if arguments.get(n) is not None}


def _only(found: Iterable[Any], what: str, arguments: Values) -> Any:
    every = list(found)
    if len(every) != 1:
        said = ", ".join(f"{name} {value}" for name, value in arguments.items())
        raise RefusedError(f"{len(every)} answers for a {what} with {said}")
    return every[0]
