"""VPCs, subnets and the ways out of them."""

from __future__ import annotations

from typing import Any, ClassVar

from labs.standin.aws.api import Api, found, gone
from labs.standin.aws.kind import AwsType, ec2_arn
from labs.standin.carried import RefusedError, Values


class Vpc(AwsType):
    """``aws.ec2.Vpc``."""

    token = "aws:ec2/vpc:Vpc"
    asks = ("ec2", "CreateVpc")
    names: ClassVar = {"assignGeneratedIpv6CidrBlock": "AmazonProvidedIpv6CidrBlock"}
    also = frozenset({"enableDnsHostnames", "enableDnsSupport"})
    in_place = frozenset({"tags", *also})

    def create(self, api: Api, inputs: Values) -> str:
        asked = {**self.request(inputs), **api.tagging("vpc", inputs)}
        return str(api.ec2.create_vpc(**asked)["Vpc"]["VpcId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        api.wait(lambda: _one(api, "vpcs", key)["State"] == "available", key)
        self._names(api, key, inputs, self.also)

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        vpc = _one(api, "vpcs", key)
        if vpc is None:
            return None
        own = [{"Name": "vpc-id", "Values": [key]}]
        groups = api.ec2.describe_security_groups(
            Filters=[*own, {"Name": "group-name", "Values": ["default"]}]
        )["SecurityGroups"]
        tables = api.ec2.describe_route_tables(
            Filters=[*own, {"Name": "association.main", "Values": ["true"]}]
        )["RouteTables"]
        table = tables[0]["RouteTableId"] if tables else None
        return {
            "arn": ec2_arn(api, "vpc", key),
            "cidrBlock": vpc["CidrBlock"],
            "instanceTenancy": vpc.get("InstanceTenancy", "default"),
            "dhcpOptionsId": vpc.get("DhcpOptionsId"),
            "ownerId": vpc.get("OwnerId"),
            "mainRouteTableId": table,
            "defaultRouteTableId": table,
            "defaultSecurityGroupId": groups[0]["GroupId"] if groups else None,
            **{name: self._attribute(api, key, name) for name in sorted(self.also)},
            **api.tagged(vpc.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        self._names(api, key, new, changed & self.also)
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.ec2.delete_vpc(VpcId=key))

    @staticmethod
    def _names(api: Api, key: str, inputs: Values, wanted: frozenset[str]) -> None:
        for name in sorted(wanted, reverse=True):  # host names need support
            if (value := inputs.get(name)) is not None:
                member = name[0].upper() + name[1:]
                api.ec2.modify_vpc_attribute(VpcId=key, **{member: {"Value": value}})

    @staticmethod
    def _attribute(api: Api, key: str, name: str) -> bool:
        answer = api.ec2.describe_vpc_attribute(VpcId=key, Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])


class Subnet(AwsType):
    """``aws.ec2.Subnet``."""

    token = "aws:ec2/subnet:Subnet"
    asks = ("ec2", "CreateSubnet")
    also = frozenset({"mapPublicIpOnLaunch"})
    in_place = frozenset({"tags", *also})

    def create(self, api: Api, inputs: Values) -> str:
        asked = {**self.request(inputs), **api.tagging("subnet", inputs)}
        return str(api.ec2.create_subnet(**asked)["Subnet"]["SubnetId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        api.wait(lambda: _one(api, "subnets", key)["State"] == "available", key)
        self._addresses(api, key, inputs)

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        subnet = _one(api, "subnets", key)
        return subnet and {
            "arn": ec2_arn(api, "subnet", key),
            "vpcId": subnet["VpcId"],
            "cidrBlock": subnet["CidrBlock"],
            "availabilityZone": subnet["AvailabilityZone"],
            "availabilityZoneId": subnet.get("AvailabilityZoneId"),
            "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
            "ownerId": subnet.get("OwnerId"),
            **api.tagged(subnet.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        self._addresses(api, key, {"mapPublicIpOnLaunch": False, **new})
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.ec2.delete_subnet(SubnetId=key))

    @staticmethod
    def _addresses(api: Api, key: str, inputs: Values) -> None:
        if (wanted := inputs.get("mapPublicIpOnLaunch")) is not None:
            api.ec2.modify_subnet_attribute(SubnetId=key, MapPublicIpOnLaunch={"Value": wanted})


class InternetGateway(AwsType):
    """``aws.ec2.InternetGateway``."""

    token = "aws:ec2/internetGateway:InternetGateway"
    asks = ("ec2", "CreateInternetGateway")
    also = frozenset({"vpcId"})
    in_place = frozenset({"tags", "vpcId"})

    def create(self, api: Api, inputs: Values) -> str:
        made = api.ec2.create_internet_gateway(**api.tagging("internet-gateway", inputs))
        return str(made["InternetGateway"]["InternetGatewayId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        if inputs.get("vpcId"):
            api.ec2.attach_internet_gateway(InternetGatewayId=key, VpcId=inputs["vpcId"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        gateway = _one(api, "internet_gateways", key)
        return gateway and {
            "arn": ec2_arn(api, "internet-gateway", key),
            "vpcId": next((a["VpcId"] for a in gateway["Attachments"]), None),
            "ownerId": gateway.get("OwnerId"),
            **api.tagged(gateway.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if "vpcId" in changed:
            self._detach(api, key)
            self.settle(api, key, new)
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        self._detach(api, key)
        gone(lambda: api.ec2.delete_internet_gateway(InternetGatewayId=key))

    def _detach(self, api: Api, key: str) -> None:
        vpc = (self.read(api, key, {}) or {}).get("vpcId")
        if vpc:
            gone(lambda: api.ec2.detach_internet_gateway(InternetGatewayId=key, VpcId=vpc))


class Eip(AwsType):
    """``aws.ec2.Eip``, by itself or on an instance."""

    token = "aws:ec2/eip:Eip"
    asks = ("ec2", "AllocateAddress")
    also = frozenset({"instance"})
    in_place = frozenset({"tags", "instance"})

    def create(self, api: Api, inputs: Values) -> str:
        asked = {"Domain": "vpc", **self.request(inputs), **api.tagging("elastic-ip", inputs)}
        return str(api.ec2.allocate_address(**asked)["AllocationId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        if inputs.get("instance"):
            api.ec2.associate_address(AllocationId=key, InstanceId=inputs["instance"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        address = _one(api, "addresses", key)
        return address and {
            "arn": ec2_arn(api, "elastic-ip", key),
            "allocationId": key,
            "publicIp": address["PublicIp"],
            "privateIp": address.get("PrivateIpAddress"),
            "associationId": address.get("AssociationId"),
            "instance": address.get("InstanceId") or None,
            "domain": address.get("Domain", "vpc"),
            **api.tagged(address.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if "instance" in changed:
            self._free(api, key)
            self.settle(api, key, new)
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        self._free(api, key)
        gone(lambda: api.ec2.release_address(AllocationId=key))

    def _free(self, api: Api, key: str) -> None:
        held = (self.read(api, key, {}) or {}).get("associationId")
        if held:
            gone(lambda: api.ec2.disassociate_address(AssociationId=held))


class NatGateway(AwsType):
    """``aws.ec2.NatGateway``; there when it is available, gone when it is deleted."""

    token = "aws:ec2/natGateway:NatGateway"
    asks = ("ec2", "CreateNatGateway")
    names: ClassVar = {"privateIp": "PrivateIpAddress"}
    in_place = frozenset({"tags"})

    def create(self, api: Api, inputs: Values) -> str:
        asked = {**self.request(inputs), **api.tagging("natgateway", inputs)}
        return str(api.ec2.create_nat_gateway(**asked)["NatGateway"]["NatGatewayId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        def available() -> bool:
            gateway = _one(api, "nat_gateways", key)
            if gateway["State"] == "failed":
                raise RefusedError(f"{key} failed: {gateway.get('FailureMessage', 'no reason')}")
            return bool(gateway["State"] == "available")

        api.wait(available, key)

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        gateway = _one(api, "nat_gateways", key)
        if gateway is None or gateway["State"] == "deleted":
            return None
        (address, *_) = gateway.get("NatGatewayAddresses") or [{}]
        return {
            "subnetId": gateway["SubnetId"],
            "connectivityType": gateway.get("ConnectivityType", "public"),
            "allocationId": address.get("AllocationId"),
            "associationId": address.get("AssociationId"),
            "publicIp": address.get("PublicIp"),
            "privateIp": address.get("PrivateIp"),
            "networkInterfaceId": address.get("NetworkInterfaceId"),
            **api.tagged(gateway.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.ec2.delete_nat_gateway(NatGatewayId=key))


_LISTS = {
    "vpcs": ("VpcIds", "Vpcs"),
    "subnets": ("SubnetIds", "Subnets"),
    "internet_gateways": ("InternetGatewayIds", "InternetGateways"),
    "addresses": ("AllocationIds", "Addresses"),
    "nat_gateways": ("NatGatewayIds", "NatGateways"),
}


def _one(api: Api, what: str, key: str) -> Any:
    asked, answered = _LISTS[what]
    answer = found(lambda: getattr(api.ec2, f"describe_{what}")(**{asked: [key]}))
    return answer[answered][0] if answer and answer[answered] else None
