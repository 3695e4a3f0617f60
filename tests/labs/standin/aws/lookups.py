"""The functions of ``pulumi_aws`` that ask what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.standin.aws.api import Api, missing
from labs.standin.carried import Lookup, RefusedError, Values


def _parameter(api: Api, arguments: Values) -> Values:
    from botocore.exceptions import ClientError

    try:
        found = api.ssm.get_parameter(
            Name=arguments["name"], WithDecryption=arguments.get("withDecryption", True)
        )["Parameter"]
    except ClientError as error:
        if missing(error):
            raise RefusedError(f"there is no SSM parameter {arguments['name']}") from error
        raise
    return {
        "id": found["Name"],
        "name": found["Name"],
        "arn": found.get("ARN", ""),
        "type": found["Type"],
        "value": found["Value"],
        "insecureValue": found["Value"],
        "version": found["Version"],
        "withDecryption": arguments.get("withDecryption", True),
        "region": api.region,
    }


def _zones(api: Api, arguments: Values) -> Values:
    filters = _filters(arguments)
    if state := arguments.get("state"):
        filters.append({"Name": "state", "Values": [state]})
    zones = [
        zone
        for zone in api.ec2.describe_availability_zones(Filters=filters)["AvailabilityZones"]
        if zone["ZoneName"] not in (arguments.get("excludeNames") or ())
    ]
    zones.sort(key=lambda zone: str(zone["ZoneName"]))
    return {
        "id": api.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({zone.get("GroupName", api.region) for zone in zones}),
        "region": api.region,
    }


def _subnets(api: Api, arguments: Values) -> Values:
    found = api.ec2.describe_subnets(Filters=_filters(arguments))["Subnets"]
    ids = sorted(subnet["SubnetId"] for subnet in found)
    return {"id": api.region, "ids": ids, "tags": _given(arguments), "region": api.region}


def _subnet(api: Api, arguments: Values) -> Values:
    plain = {"vpcId": "vpc-id", "cidrBlock": "cidr-block", "availabilityZone": "availability-zone"}
    wanted = [{"Name": plain[n], "Values": [v]} for n, v in arguments.items() if n in plain]
    which = {"SubnetIds": [arguments["id"]]} if arguments.get("id") else {}
    answer = api.ec2.describe_subnets(Filters=[*_filters(arguments), *wanted], **which)
    found = _only(answer["Subnets"], "subnet")
    return {
        "id": found["SubnetId"],
        "arn": found.get("SubnetArn", ""),
        "vpcId": found["VpcId"],
        "cidrBlock": found["CidrBlock"],
        "availabilityZone": found["AvailabilityZone"],
        "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
        "state": found["State"],
        "tags": _of(found),
        "region": api.region,
    }


def _vpc(api: Api, arguments: Values) -> Values:
    wanted = []
    if "default" in arguments:
        wanted.append({"Name": "is-default", "Values": [str(arguments["default"]).lower()]})
    if "cidrBlock" in arguments:
        wanted.append({"Name": "cidr", "Values": [arguments["cidrBlock"]]})
    which = {"VpcIds": [arguments["id"]]} if arguments.get("id") else {}
    answer = api.ec2.describe_vpcs(Filters=[*_filters(arguments), *wanted], **which)
    found = _only(answer["Vpcs"], "VPC")
    return {
        "id": found["VpcId"],
        "cidrBlock": found["CidrBlock"],
        "default": found.get("IsDefault", False),
        "state": found["State"],
        "tags": _of(found),
        "region": api.region,
    }


def _image(api: Api, arguments: Values) -> Values:
    asked = {"Filters": _filters(arguments)}
    if arguments.get("owners"):
        asked["Owners"] = arguments["owners"]
    images = api.ec2.describe_images(**asked)["Images"]
    images.sort(key=lambda image: str(image.get("CreationDate")), reverse=True)
    found = images[0] if images and arguments.get("mostRecent") else _only(images, "AMI")
    return {
        "id": found["ImageId"],
        "imageId": found["ImageId"],
        "name": found.get("Name"),
        "architecture": found.get("Architecture"),
        "rootDeviceName": found.get("RootDeviceName"),
        "creationDate": found.get("CreationDate"),
        "region": api.region,
    }


def _instance_type(api: Api, arguments: Values) -> Values:
    name = arguments["instanceType"]
    answer = api.ec2.describe_instance_types(InstanceTypes=[name])["InstanceTypes"]
    found = _only(answer, f"instance type {name}")
    return {
        "id": name,
        "instanceType": name,
        "defaultVcpus": found["VCpuInfo"]["DefaultVCpus"],
        "memorySize": found["MemoryInfo"]["SizeInMiB"],
        "supportedArchitectures": found["ProcessorInfo"]["SupportedArchitectures"],
        "region": api.region,
    }


def _caller(api: Api, _arguments: Values) -> Values:
    found = api.sts.get_caller_identity()
    account = found["Account"]
    return {"id": account, "accountId": account, "arn": found["Arn"], "userId": found["UserId"]}


def _region(api: Api, arguments: Values) -> Values:
    name = arguments.get("region") or arguments.get("name") or api.region
    host = f"ec2.{name}.amazonaws.com"
    return {"id": name, "name": name, "region": name, "endpoint": host, "description": name}


def _partition(api: Api, _arguments: Values) -> Values:
    suffix = "amazonaws.com"
    partition = api.session.get_partition_for_region(api.region)
    return {"id": partition, "partition": partition, "dnsSuffix": suffix}


LOOKUPS: Mapping[str, Lookup] = {
    "aws:ssm/getParameter:getParameter": _parameter,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:ec2/getSubnets:getSubnets": _subnets,
    "aws:ec2/getSubnet:getSubnet": _subnet,
    "aws:ec2/getVpc:getVpc": _vpc,
    "aws:ec2/getAmi:getAmi": _image,
    "aws:ec2/getInstanceType:getInstanceType": _instance_type,
}


def _filters(arguments: Values) -> list[dict[str, Any]]:
    named = [{"Name": f["name"], "Values": f["values"]} for f in arguments.get("filters") or ()]
    tagged = [{"Name": f"tag:{k}", "Values": [v]} for k, v in _given(arguments).items()]
    return named + tagged


def _given(arguments: Values) -> Mapping[str, str]:
    return arguments.get("tags") or {}


def _of(answer: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())}


def _only(found: list[Any], what: str) -> Any:
    if len(found) != 1:
        raise RefusedError(f"{len(found)} answers for one {what}; say more of it")
    return found[0]
