"""Route tables, what they say and whom they serve."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from labs.standin.aws.api import Api, found, gone
from labs.standin.aws.kind import AwsType, ec2_arn
from labs.standin.carried import Values

_DESTINATIONS = {
    "cidrBlock": "DestinationCidrBlock",
    "destinationCidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
}
_TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
}


class RouteTable(AwsType):
    """``aws.ec2.RouteTable``, with or without routes of its own."""

    token = "aws:ec2/routeTable:RouteTable"
    asks = ("ec2", "CreateRouteTable")
    also = frozenset({"routes"})
    in_place = frozenset({"tags", "routes"})

    def create(self, api: Api, inputs: Values) -> str:
        asked = {**self.request(inputs), **api.tagging("route-table", inputs)}
        return str(api.ec2.create_route_table(**asked)["RouteTable"]["RouteTableId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        for route in inputs.get("routes") or ():
            api.ec2.create_route(RouteTableId=key, **_route(route))

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        table = _table(api, key)
        return table and {
            "arn": ec2_arn(api, "route-table", key),
            "vpcId": table["VpcId"],
            "ownerId": table.get("OwnerId"),
            "routes": [
                {name: route[m] for name, m in _inline().items() if route.get(m)}
                for route in table["Routes"]
                if route.get("GatewayId") != "local"
            ],
            **api.tagged(table.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if "routes" in changed:
            for route in (self.read(api, key, old) or {}).get("routes", ()):
                to = {m: v for m, v in _route(route).items() if m.startswith("Destination")}
                gone(partial(api.ec2.delete_route, RouteTableId=key, **to))
            self.settle(api, key, new)
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        for association in (_table(api, key) or {}).get("Associations", ()):
            which = association["RouteTableAssociationId"]
            gone(partial(api.ec2.disassociate_route_table, AssociationId=which))
        gone(lambda: api.ec2.delete_route_table(RouteTableId=key))


class Route(AwsType):
    """``aws.ec2.Route``."""

    token = "aws:ec2/route:Route"
    asks = ("ec2", "CreateRoute")
    names: ClassVar = {"egressOnlyGatewayId": "EgressOnlyInternetGatewayId"}
    in_place = frozenset(_TARGETS)

    def create(self, api: Api, inputs: Values) -> str:
        api.ec2.create_route(**self.request(inputs))
        return f"r-{inputs['routeTableId']}{_to(inputs)}"

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        table = _table(api, old["routeTableId"]) or {"Routes": []}
        for route in table["Routes"]:
            members = ("DestinationCidrBlock", "DestinationIpv6CidrBlock")
            if _to(old) in [route.get(member) for member in members]:
                targets = {name: route.get(member) for name, member in _TARGETS.items()}
                return {**targets, "origin": route.get("Origin"), "state": route.get("State")}
        return None

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        api.ec2.replace_route(**self.request(new))

    def delete(self, api: Api, key: str, old: Values) -> None:
        asked = {name: old[name] for name in ("routeTableId", *_DESTINATIONS) if old.get(name)}
        gone(lambda: api.ec2.delete_route(**self.request(asked)))


class RouteTableAssociation(AwsType):
    """``aws.ec2.RouteTableAssociation``."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    asks = ("ec2", "AssociateRouteTable")
    in_place = frozenset({"routeTableId"})

    def create(self, api: Api, inputs: Values) -> str:
        return str(api.ec2.associate_route_table(**self.request(inputs))["AssociationId"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        wanted = [{"Name": "association.route-table-association-id", "Values": [key]}]
        for table in api.ec2.describe_route_tables(Filters=wanted)["RouteTables"]:
            for association in table["Associations"]:
                if association["RouteTableAssociationId"] == key:
                    subnet = association.get("SubnetId")
                    return {"routeTableId": table["RouteTableId"], "subnetId": subnet}
        return None

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        table = new["routeTableId"]
        api.ec2.replace_route_table_association(AssociationId=key, RouteTableId=table)

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.ec2.disassociate_route_table(AssociationId=key))


def _inline() -> dict[str, str]:
    return {
        name: m for name, m in {**_DESTINATIONS, **_TARGETS}.items() if "estination" not in name
    }


def _route(route: Values) -> dict[str, Any]:
    return {member: route[name] for name, member in _inline().items() if route.get(name)}


def _to(route: Values) -> str:
    return str(next(route[name] for name in _DESTINATIONS if route.get(name)))


def _table(api: Api, key: str) -> Any:
    answer = found(lambda: api.ec2.describe_route_tables(RouteTableIds=[key]))
    return answer["RouteTables"][0] if answer and answer["RouteTables"] else None
