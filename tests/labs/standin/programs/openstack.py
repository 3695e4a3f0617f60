"""Everything that the stand-in for OpenStack carries out, in one program; settings change it."""

import json

import pulumi
import pulumi_openstack as openstack

config = pulumi.Config()
tags = ["vdc-stack=lab", *json.loads(config.get("tags") or "[]")]

cloud = openstack.Provider("cloud", cloud=config.require("cloud"))
inside = pulumi.ResourceOptions(provider=cloud)

outside = openstack.networking.get_network(
    name=config.require("outside"), external=True, opts=pulumi.InvokeOptions(provider=cloud)
)
net = openstack.networking.Network("net", tags=tags, opts=inside)
subnet = openstack.networking.Subnet(
    "net",
    network_id=net.id,
    cidr="10.61.0.0/24",
    ip_version=4,
    dns_nameservers=[config.get("resolver") or "192.0.2.53"],
    tags=tags,
    opts=inside,
)
router = openstack.networking.Router("net", external_network_id=outside.id, tags=tags, opts=inside)
openstack.networking.RouterInterface("net", router_id=router.id, subnet_id=subnet.id, opts=inside)
group = openstack.networking.SecGroup(
    "inside",
    name=config.get("name"),
    description="Inside of the lab",
    delete_default_rules=True,
    tags=tags,
    opts=inside,
)
openstack.networking.SecGroupRule(
    "ssh",
    security_group_id=group.id,
    direction="ingress",
    ethertype="IPv4",
    protocol="tcp",
    port_range_min=22,
    port_range_max=22,
    remote_ip_prefix=config.get("from") or "10.0.0.0/8",
    opts=inside,
)
openstack.networking.SecGroupRule(
    "each-other",
    security_group_id=group.id,
    direction="ingress",
    ethertype="IPv4",
    remote_group_id=group.id,
    opts=inside,
)
key = openstack.compute.Keypair("key", public_key=config.require("key"), opts=inside)
spread = openstack.compute.ServerGroup("spread", policies="soft-anti-affinity", opts=inside)

pulumi.export("network", net.id)
pulumi.export("key", key.fingerprint)
pulumi.export("spread", spread.policies)
