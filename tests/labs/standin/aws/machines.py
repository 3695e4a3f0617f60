"""Launch templates and instances."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from labs.standin.aws import shapes
from labs.standin.aws.api import Api, found, gone, tag_list
from labs.standin.aws.kind import AwsType, ec2_arn, tag_problems
from labs.standin.carried import Values
from labs.standin.checking import Problem

_USER_DATA_BYTES = 16384
"""EC2's limit, before base64 encoding."""


class LaunchTemplate(AwsType):
    """``aws.ec2.LaunchTemplate``; a change makes a version, as with the real plugin."""

    token = "aws:ec2/launchTemplate:LaunchTemplate"
    asks = ("ec2", "CreateLaunchTemplate")
    also = frozenset({"updateDefaultVersion", "defaultVersion"})
    names: ClassVar = {
        "name": "LaunchTemplateName",
        "description": "VersionDescription",
        "vpcSecurityGroupIds": "SecurityGroupIds",
        "securityGroupNames": "SecurityGroups",
        "securityGroups": "Groups",  # of a network interface
    }
    named = "name"
    refers: ClassVar = {"keyName": "key pair", "iamInstanceProfile.name": "instance profile"}

    @property
    def data(self) -> Any:
        """What a version holds."""
        return shapes.service("ec2").shape_for("RequestLaunchTemplateData")

    def replacing(self, changed: frozenset[str], new: Values) -> frozenset[str]:
        return changed & {"name", "namePrefix", "region"}

    def renewed(self, changed: frozenset[str]) -> frozenset[str]:
        known = {"tags", "updateDefaultVersion", "defaultVersion"}
        return frozenset({"latestVersion", "defaultVersion"}) if changed - known else frozenset()

    def problems(self, inputs: Values) -> Iterable[Problem]:
        name = shapes.service("ec2").shape_for("LaunchTemplateName")
        yield from shapes.problems(name, inputs.get("name"), path="name")
        yield from self.left_out(_data(inputs), self.data)
        yield from shapes.problems(self.data, _data(inputs), self.names)
        yield from tag_problems(inputs.get("tags"), "tags")
        yield from _encoded(inputs.get("userData"), "userData")

    def create(self, api: Api, inputs: Values) -> str:
        asked = self.request(_own(inputs)) | api.tagging("launch-template", inputs)
        data = shapes.request(self.data, _data(inputs), self.names)
        made = api.ec2.create_launch_template(**asked, LaunchTemplateData=data)
        return str(made["LaunchTemplate"]["LaunchTemplateId"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        answer = found(lambda: api.ec2.describe_launch_templates(LaunchTemplateIds=[key]))
        if not answer or not answer["LaunchTemplates"]:
            return None
        template = answer["LaunchTemplates"][0]
        (version,) = api.ec2.describe_launch_template_versions(
            LaunchTemplateId=key, Versions=[str(template["LatestVersionNumber"])]
        )["LaunchTemplateVersions"]
        shape = shapes.service("ec2").shape_for("ResponseLaunchTemplateData")
        data = dict(version["LaunchTemplateData"])
        if specifications := data.get("TagSpecifications"):
            # moto adds the template's own tags to those of what is made from it
            kept = [s for s in specifications if s["ResourceType"] != "launch-template"]
            data["TagSpecifications"] = kept
        live = shapes.properties(shape, data, _data(old), self.names)
        return {
            **live,
            "arn": ec2_arn(api, "launch-template", key),
            "name": template["LaunchTemplateName"],
            "latestVersion": template["LatestVersionNumber"],
            "defaultVersion": template["DefaultVersionNumber"],
            "description": version.get("VersionDescription") or None,
            **api.tagged(template.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        latest = None
        if self.renewed(changed):
            made = api.ec2.create_launch_template_version(
                LaunchTemplateId=key,
                LaunchTemplateData=shapes.request(self.data, _data(new), self.names),
                **({"VersionDescription": new["description"]} if new.get("description") else {}),
            )
            latest = made["LaunchTemplateVersion"]["VersionNumber"]
        default = latest if new.get("updateDefaultVersion") else new.get("defaultVersion")
        if default:
            api.ec2.modify_launch_template(LaunchTemplateId=key, DefaultVersion=str(default))
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.ec2.delete_launch_template(LaunchTemplateId=key))


class Instance(AwsType):
    """``aws.ec2.Instance``; gone when it is terminated."""

    token = "aws:ec2/instance:Instance"
    asks = ("ec2", "RunInstances")
    names: ClassVar = {
        "ami": "ImageId",
        "vpcSecurityGroupIds": "SecurityGroupIds",
        "privateIp": "PrivateIpAddress",
        "id": "LaunchTemplateId",
        "name": "LaunchTemplateName",
    }
    also = frozenset(
        {
            *("userData", "userDataBase64", "userDataReplaceOnChange", "iamInstanceProfile"),
            *("monitoring", "rootBlockDevice", "volumeTags", "sourceDestCheck"),
            *("associatePublicIpAddress", "availabilityZone", "forceDestroy"),
        }
    )
    refers: ClassVar = {"keyName": "key pair", "iamInstanceProfile": "instance profile"}
    _stopped = frozenset({"instanceType", "userData", "userDataBase64"})
    in_place = frozenset(
        {
            *("tags", "vpcSecurityGroupIds", "sourceDestCheck", "disableApiTermination"),
            *("metadataOptions", "userDataReplaceOnChange", "forceDestroy", *_stopped),
        }
    )

    def replacing(self, changed: frozenset[str], new: Values) -> frozenset[str]:
        data = {"userData", "userDataBase64"} if new.get("userDataReplaceOnChange") else set()
        return changed - (self.in_place - data)

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        yield from _encoded(inputs.get("userDataBase64"), "userDataBase64")
        text = inputs.get("userData")
        if isinstance(text, str) and len(text.encode()) > _USER_DATA_BYTES:
            yield _too_long("userData", len(text.encode()))
        for name in ("ami", "instanceType"):
            if not inputs.get(name) and not inputs.get("launchTemplate"):
                yield Problem(name, "is missing, and no launchTemplate says it")

    def create(self, api: Api, inputs: Values) -> str:
        tags = {"instance": api.tags(inputs), "volume": inputs.get("volumeTags")}
        asked = {
            **self.request(inputs),
            **self._more(api, inputs),
            "MinCount": 1,
            "MaxCount": 1,
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": tag_list(some)}
                for kind, some in tags.items()
                if some
            ],
        }
        return str(api.ec2.run_instances(**asked)["Instances"][0]["InstanceId"])

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        api.wait(lambda: _instance(api, key)["State"]["Name"] == "running", key)
        if inputs.get("sourceDestCheck") is False:
            self._set(api, key, "SourceDestCheck", {"Value": False})

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        machine = _instance(api, key)
        if machine is None or machine["State"]["Name"] == "terminated":
            return None
        profile = machine.get("IamInstanceProfile", {}).get("Arn", "").rpartition("/")[2]
        return {
            "arn": ec2_arn(api, "instance", key),
            "instanceState": machine["State"]["Name"],
            "ami": machine["ImageId"],
            "instanceType": machine["InstanceType"],
            "availabilityZone": machine["Placement"].get("AvailabilityZone"),
            "privateIp": machine.get("PrivateIpAddress"),
            "privateDns": machine.get("PrivateDnsName"),
            "publicIp": machine.get("PublicIpAddress"),
            "publicDns": machine.get("PublicDnsName"),
            "keyName": machine.get("KeyName"),
            "subnetId": machine.get("SubnetId"),
            "iamInstanceProfile": profile or None,
            "vpcSecurityGroupIds": sorted(_groups(machine)),
            **api.tagged(machine.get("Tags"), old),
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if changed & self._stopped:
            self._power(api, key, "stop", "stopped")
            if "instanceType" in changed:
                self._set(api, key, "InstanceType", {"Value": new["instanceType"]})
            if changed & {"userData", "userDataBase64"}:
                self._set(api, key, "UserData", {"Value": base64.b64decode(_user_data(new) or "")})
            self._power(api, key, "start", "running")
        for name, member in (("vpcSecurityGroupIds", "Groups"),):
            if name in changed:
                self._set(api, key, member, new[name])
        for name in ("sourceDestCheck", "disableApiTermination"):
            if name in changed:
                self._set(api, key, name[0].upper() + name[1:], {"Value": new[name]})
        if "metadataOptions" in changed:
            options = self.request({"metadataOptions": new["metadataOptions"]})["MetadataOptions"]
            api.ec2.modify_instance_metadata_options(InstanceId=key, **options)
        if "tags" in changed:
            api.retag(key, new, old)

    def delete(self, api: Api, key: str, old: Values) -> None:
        gone(lambda: api.ec2.terminate_instances(InstanceIds=[key]))

    @staticmethod
    def _more(api: Api, inputs: Values) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if data := _user_data(inputs):
            made["UserData"] = base64.b64decode(data)  # the client encodes it
        if profile := inputs.get("iamInstanceProfile"):
            made["IamInstanceProfile"] = {"Name": profile}
        if "monitoring" in inputs:
            made["Monitoring"] = {"Enabled": inputs["monitoring"]}
        if zone := inputs.get("availabilityZone"):
            made["Placement"] = {"AvailabilityZone": zone}
        if disk := inputs.get("rootBlockDevice"):
            (image,) = api.ec2.describe_images(ImageIds=[inputs["ami"]])["Images"]
            shape = shapes.service("ec2").shape_for("EbsBlockDevice")
            ebs = shapes.request(shape, {k: v for k, v in disk.items() if k != "tags"})
            made["BlockDeviceMappings"] = [{"DeviceName": image["RootDeviceName"], "Ebs": ebs}]
        if "associatePublicIpAddress" in inputs:
            made["NetworkInterfaces"] = [
                {
                    "DeviceIndex": 0,
                    "DeleteOnTermination": True,
                    "AssociatePublicIpAddress": inputs["associatePublicIpAddress"],
                    "SubnetId": inputs["subnetId"],
                    "Groups": inputs.get("vpcSecurityGroupIds", []),
                    **({"PrivateIpAddress": inputs["privateIp"]} if "privateIp" in inputs else {}),
                }
            ]
        return made

    def request(self, inputs: Values) -> dict[str, Any]:
        made = super().request(inputs)
        if "associatePublicIpAddress" in inputs:  # these are said of the interface then
            for member in ("SubnetId", "SecurityGroupIds", "PrivateIpAddress"):
                made.pop(member, None)
        return made

    @staticmethod
    def _set(api: Api, key: str, member: str, value: Any) -> None:
        api.ec2.modify_instance_attribute(InstanceId=key, **{member: value})

    @staticmethod
    def _power(api: Api, key: str, verb: str, state: str) -> None:
        getattr(api.ec2, f"{verb}_instances")(InstanceIds=[key])
        api.wait(lambda: _instance(api, key)["State"]["Name"] == state, key)


def _groups(machine: Values) -> set[str]:
    """Moto says those of an interface that was asked for at the interface alone."""
    cards = machine.get("NetworkInterfaces") or [{}]
    groups = (*machine.get("SecurityGroups", ()), *cards[0].get("Groups", ()))
    return {group["GroupId"] for group in groups}


def _own(inputs: Values) -> dict[str, Any]:
    return {name: inputs[name] for name in ("name", "description") if name in inputs}


def _data(inputs: Values) -> dict[str, Any]:
    left = ("tags", "name", "description", "region")
    return {name: value for name, value in inputs.items() if name not in left}


def _instance(api: Api, key: str) -> Any:
    answer = found(lambda: api.ec2.describe_instances(InstanceIds=[key]))
    return answer["Reservations"][0]["Instances"][0] if answer and answer["Reservations"] else None


def _user_data(inputs: Values) -> str | None:
    if inputs.get("userDataBase64"):
        return str(inputs["userDataBase64"])
    text = inputs.get("userData")
    return base64.b64encode(text.encode()).decode() if text else None


def _encoded(text: Any, path: str) -> Iterator[Problem]:
    if not isinstance(text, str):
        return
    try:
        size = len(base64.b64decode(text, validate=True))
    except binascii.Error:
        yield Problem(path, "is not base64")
        return
    if size > _USER_DATA_BYTES:
        yield _too_long(path, size)


def _too_long(path: str, size: int) -> Problem:
    return Problem(path, f"has {size} bytes before base64, EC2 takes no more than 16384")
