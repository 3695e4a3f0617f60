"""What a lab's OpenStack offers before anyone has used it, and what it shows of what runs."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

from openstack.compute.v2.server import Server
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.network.v2.subnet import Subnet

from labs.boots import Instance
from labs.openstack.settings import BEHIND, PASSWORD, PORTS

CLOUD = "lab"
REGION = "RegionOne"
IMAGE = "debian-12"
EXTERNAL = "public"
ZONES = ("nova", "other")
# Smallest first: name, cores, MiB, GiB.
FLAVORS = (("tiny", 1, 512, 2), ("small", 1, 1024, 4), ("medium", 2, 4096, 10),
           ("large", 4, 16384, 40))  # fmt: skip
_OTHER_HOST = "host-b"
# User data is shown from 2.3 on, and what a server runs on by name from 2.53.
_COMPUTE = "2.79"
_NO_SERVER = b"This lab's servers boot from the labs' image.\n"
_RUNNING, _OFF = 1, 4  # nova's power states


def credentials(user: str) -> dict[str, str]:
    """How keystone knows a user, who has a project of the same name."""
    return {
        "auth_url": f"http://127.0.0.1:{PORTS['keystone']}/v3",
        "username": user,
        "password": PASSWORD,
        "project_name": user,
        "user_domain_id": "default",
        "project_domain_id": "default",
    }


def member(clouds: Path) -> Connection:
    """The API as a declaration's user reaches it, by the lab's ``clouds.yaml``."""
    region = OpenStackConfig(config_files=[str(clouds)], load_envvars=False).get_one(CLOUD)
    return Connection(config=region)


def administrator() -> Connection:
    """May do all, and is met by no fault; for whoever is in the lab's network."""
    auth = {
        **credentials("admin"), "auth_url": f"http://127.0.0.1:{PORTS['keystone'] + BEHIND}/v3"
    }  # fmt: skip
    return Connection(
        auth=auth,
        region_name=REGION,
        interface="internal",
        compute_default_microversion=_COMPUTE,
    )


def furnish(cloud: Connection) -> None:
    """What every cloud's operator has made: flavours, an image, a network outside, two zones."""
    for name, cores, memory, disk in FLAVORS:
        cloud.compute.create_flavor(name=name, vcpus=cores, ram=memory, disk=disk)
    offer_image(cloud, IMAGE)
    outside = cloud.network.create_network(
        name=EXTERNAL,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="outside",
    )
    cloud.network.create_subnet(
        network_id=outside.id, ip_version=4, cidr="198.51.100.0/24", is_dhcp_enabled=False
    )
    limit(cloud, {"instances": -1, "cores": -1, "ram": -1})
    aggregate = cloud.compute.create_aggregate(name="other", availability_zone=ZONES[1])
    cloud.compute.add_host_to_aggregate(aggregate, _OTHER_HOST)


def offer_image(cloud: Connection, name: str) -> str:
    """An image that everybody may boot; its id."""
    image = cloud.image.create_image(
        name=name,
        disk_format="raw",
        container_format="bare",
        visibility="public",
        data=_NO_SERVER + name.encode(),
        wait=True,
    )
    return str(image.id)


def offer_project(cloud: Connection, name: str) -> None:
    """A further project of the lab's user."""
    project = cloud.identity.create_project(name=name, domain_id="default")
    user = cloud.identity.find_user(CLOUD, ignore_missing=False)
    role = cloud.identity.find_role("member", ignore_missing=False)
    cloud.identity.assign_project_role_to_user(project, user, role)


def limit(cloud: Connection, limits: Mapping[str, int]) -> None:
    """What the user's project may have of nova; -1 is no limit."""
    project = cloud.identity.find_project(CLOUD, ignore_missing=False)
    cloud.compute.update_quota_set(project, **limits)


def belongings(cloud: Connection) -> list[str]:
    """All that a user has in the cloud and that nobody has given everyone."""
    own = cloud.current_project_id
    listed = {
        "server": cloud.compute.servers(),
        "server group": cloud.compute.server_groups(),
        "key pair": cloud.compute.keypairs(),
        "port": cloud.network.ports(project_id=own),
        "router": cloud.network.routers(project_id=own),
        "subnet": cloud.network.subnets(project_id=own),
        "network": cloud.network.networks(project_id=own),
        "floating IP": cloud.network.ips(project_id=own),
        "security group": cloud.network.security_groups(project_id=own),
    }
    return [
        f"{sort} {one.name}"
        for sort, things in listed.items()
        for one in things
        if (sort, one.name) != ("security group", "default")  # which every project has
    ]


def instances(cloud: Connection) -> Iterator[Instance]:
    """Every server of every project that runs, or is off and could run again.

    User data is what the API gives back, decoded.
    """
    shown: list[Server] = [
        server
        for server in cloud.compute.servers(details=True, all_projects=True)
        if server.power_state in {_RUNNING, _OFF}
    ]
    if not shown:
        return
    subnets: dict[str, Subnet] = {subnet.id: subnet for subnet in cloud.network.subnets()}
    fixed = {port.device_id: port.fixed_ips[0] for port in cloud.network.ports() if port.fixed_ips}
    for server in shown:
        if (place := fixed.get(server.id)) is None:
            continue  # being removed
        subnet = subnets[place["subnet_id"]]
        yield Instance(
            id=server.id,
            name=server.name,
            user_data=base64.b64decode(server.user_data or ""),
            address=place["ip_address"],
            gateway=subnet.gateway_ip,
            prefix_len=int(subnet.cidr.partition("/")[2]),
            running=server.power_state == _RUNNING,
        )
