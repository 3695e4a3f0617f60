"""Key pairs, server groups, servers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from labs.standin.carried import Reference, RefusedError, Values
from labs.standin.checking import Problem
from labs.standin.openstack.api import Api, OpenStackType, found

_USER_DATA_BYTES = 65535
"""Nova's limit, after base64 encoding."""


class Keypair(OpenStackType):
    """``openstack.compute.Keypair``."""

    token = "openstack:compute/keypair:Keypair"
    attributes: ClassVar = {"name": "name", "publicKey": "public_key"}
    makes = "key pair"

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        key = inputs.get("publicKey")
        if isinstance(key, str) and not key.startswith(("ssh-", "ecdsa-")):
            yield Problem("publicKey", "is no public SSH key")

    def create(self, api: Api, inputs: Values) -> str:
        return str(api.cloud.compute.create_keypair(**self.asked(inputs)).name)

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        pair = found(lambda: api.cloud.compute.get_keypair(key))
        return pair and {**self.answered(api, pair), "fingerprint": pair.fingerprint}

    def delete(self, api: Api, key: str, old: Values) -> None:
        api.cloud.compute.delete_keypair(key, ignore_missing=True)


class ServerGroup(OpenStackType):
    """``openstack.compute.ServerGroup``."""

    token = "openstack:compute/serverGroup:ServerGroup"
    attributes: ClassVar = {"name": "name"}
    also = frozenset({"policies", "rules"})
    choices: ClassVar = {
        "policies": ("affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity")
    }

    def create(self, api: Api, inputs: Values) -> str:
        policy = inputs.get("policies", "anti-affinity")
        most = (inputs.get("rules") or {}).get("maxServerPerHost")
        asked = {"policy": policy} | ({"rules": {"max_server_per_host": most}} if most else {})
        # Policy instead of policies, and rules, came with microversion 2.64.
        session = api.cloud.compute
        made = session.post(
            "/os-server-groups",
            json={"server_group": {"name": inputs["name"], **asked}},
            microversion="2.64",
        )
        if made.status_code != 200:
            raise RefusedError(f"server group {inputs['name']}: {made.text}")
        return str(made.json()["server_group"]["id"])

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        answer = api.cloud.compute.get(f"/os-server-groups/{key}", microversion="2.64")
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise RefusedError(f"server group {key}: {answer.text}")
        group = answer.json()["server_group"]
        return {
            "name": group["name"],
            "policies": group["policy"],
            "members": group["members"],
            "region": api.region,
        }

    def delete(self, api: Api, key: str, old: Values) -> None:
        api.cloud.compute.delete_server_group(key, ignore_missing=True)


class Instance(OpenStackType):
    """``openstack.compute.Instance``, as far as a test needs a server that is not ours."""

    token = "openstack:compute/instance:Instance"
    attributes: ClassVar = {
        "name": "name",
        "imageId": "image_id",
        "flavorId": "flavor_id",
        "availabilityZone": "availability_zone",
        "metadata": "metadata",
        "keyPair": "key_name",
        "configDrive": "config_drive",
    }
    also = frozenset({"networks", "securityGroups", "userData"})
    in_place = frozenset({"name", "metadata"})

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from super().problems(inputs)
        data = inputs.get("userData")
        if isinstance(data, str) and len(_encoded(data)) > _USER_DATA_BYTES:
            text = f"has {len(_encoded(data))} bytes after base64, Nova takes {_USER_DATA_BYTES}"
            yield Problem("userData", text)
        for name, value in (inputs.get("metadata") or {}).items():
            for what, text in (("key", name), ("value", value)):
                if isinstance(text, str) and len(text) > 255:
                    yield Problem(f"metadata.{name}", f"has a {what} of {len(text)} characters")

    def references(self, inputs: Values) -> Iterator[Reference]:
        yield from super().references(inputs)
        if isinstance(inputs.get("keyPair"), str):
            yield Reference("keyPair", "key pair", inputs["keyPair"])
        for index, network in enumerate(inputs.get("networks") or ()):
            if isinstance(network.get("uuid"), str):
                yield Reference(f"networks[{index}].uuid", "network", network["uuid"])

    def create(self, api: Api, inputs: Values) -> str:
        names = {"uuid": "uuid", "port": "port", "fixedIpV4": "fixed_ip"}
        asked: dict[str, Any] = self.asked(inputs)
        asked["networks"] = [
            {names[name]: value for name, value in network.items() if name in names}
            for network in inputs.get("networks") or ()
        ]
        if inputs.get("securityGroups"):
            asked["security_groups"] = [{"name": name} for name in inputs["securityGroups"]]
        if inputs.get("userData"):
            asked["user_data"] = _encoded(inputs["userData"])
        return str(api.cloud.compute.create_server(**asked).id)

    def settle(self, api: Api, key: str, inputs: Values) -> None:
        def active() -> bool:
            server = api.cloud.compute.get_server(key)
            if server.status == "ERROR":
                raise RefusedError(f"server {key}: {(server.fault or {}).get('message', 'ERROR')}")
            return bool(server.status == "ACTIVE")

        api.wait(active, f"server {key}")

    def read(self, api: Api, key: str, old: Values) -> Values | None:
        server = found(lambda: api.cloud.compute.get_server(key))
        if server is None or server.status == "DELETED":
            return None
        addresses = [a["addr"] for some in server.addresses.values() for a in some]
        return {
            "name": server.name,
            "metadata": server.metadata or None,
            "availabilityZone": server.availability_zone,
            "accessIpV4": next(iter(addresses), None),
            "region": api.region,
        }

    def update(self, api: Api, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        if "name" in changed:
            api.cloud.compute.update_server(key, name=new["name"])
        if "metadata" in changed:
            left = sorted((old.get("metadata") or {}).keys() - (new.get("metadata") or {}).keys())
            api.cloud.compute.delete_server_metadata(key, left)
            api.cloud.compute.set_server_metadata(key, **(new.get("metadata") or {}))

    def delete(self, api: Api, key: str, old: Values) -> None:
        api.cloud.compute.delete_server(key, ignore_missing=True)


def _encoded(data: str) -> str:
    """As the real plugin does: what is base64 already is left as it is."""
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return base64.b64encode(data.encode()).decode()
    return data
