"""Everything that the stand-in for AWS carries out, in one program; settings change it."""

import base64
import json

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
image = aws.ssm.get_parameter(name=config.require("image")).value
words = config.get("words") or "one"
tags = {"vdc-stack": "lab", **json.loads(config.get("tags") or "{}")}

zones = aws.get_availability_zones(state="available").names[:2]
vpc = aws.ec2.Vpc("net", cidr_block="10.70.0.0/16", enable_dns_hostnames=True, tags=tags)
gateway = aws.ec2.InternetGateway("way", vpc_id=vpc.id, tags=tags)
public = aws.ec2.RouteTable("public", vpc_id=vpc.id, tags=tags)
aws.ec2.Route(
    "out",
    route_table_id=public.id,
    destination_cidr_block="0.0.0.0/0",
    gateway_id=gateway.id,
)
subnets = []
for index, zone in enumerate(zones):
    subnet = aws.ec2.Subnet(
        f"subnet-{index}",
        vpc_id=vpc.id,
        cidr_block=f"10.70.{index}.0/24",
        availability_zone=zone,
        map_public_ip_on_launch=config.get_bool("public") or False,
        tags=tags,
    )
    aws.ec2.RouteTableAssociation(f"serves-{index}", route_table_id=public.id, subnet_id=subnet.id)
    subnets.append(subnet)
address = aws.ec2.Eip("address", domain="vpc", tags=tags)
nat = aws.ec2.NatGateway("nat", allocation_id=address.id, subnet_id=subnets[0].id, tags=tags)
aws.ec2.RouteTable(
    "private",
    vpc_id=vpc.id,
    routes=[{"cidr_block": "0.0.0.0/0", "nat_gateway_id": nat.id}],
    tags=tags,
)

group = aws.ec2.SecurityGroup(
    "inside",
    vpc_id=vpc.id,
    description="Inside of the lab",
    egress=[{"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}],
    tags=tags,
)
apart = aws.ec2.SecurityGroup("apart", vpc_id=vpc.id, tags=tags)
aws.vpc.SecurityGroupIngressRule(
    "each-other",
    security_group_id=apart.id,
    referenced_security_group_id=apart.id,
    ip_protocol="-1",
    tags=tags,
)
aws.vpc.SecurityGroupIngressRule(
    "ssh",
    security_group_id=apart.id,
    cidr_ipv4=config.get("from") or "10.0.0.0/8",
    ip_protocol="tcp",
    from_port=22,
    to_port=22,
)
aws.vpc.SecurityGroupEgressRule(
    "everywhere", security_group_id=apart.id, cidr_ipv4="0.0.0.0/0", ip_protocol="-1"
)

trust = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
allowed = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "autoscaling:CompleteLifecycleAction",
            "Resource": "*",
        }
    ],
}
role = aws.iam.Role("node", assume_role_policy=json.dumps(trust), tags=tags)
aws.iam.RolePolicy("node", role=role.id, policy=json.dumps(allowed))
profile = aws.iam.InstanceProfile("node", role=role.name, tags=tags)
key = aws.ec2.KeyPair("key", public_key=config.require("key"), tags=tags)

template = aws.ec2.LaunchTemplate(
    "nodes",
    image_id=image,
    instance_type="m5.large",
    key_name=key.key_name,
    user_data=base64.b64encode(words.encode()).decode(),
    update_default_version=True,
    iam_instance_profile={"arn": profile.arn},
    metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
    block_device_mappings=[
        {
            "device_name": "/dev/xvda",
            "ebs": {
                "encrypted": "true",
                "volume_size": 20,
                "volume_type": "gp3",
                "delete_on_termination": "true",
            },
        }
    ],
    network_interfaces=[
        {
            "associate_public_ip_address": "false",
            "delete_on_termination": "true",
            "security_groups": [group.id, apart.id],
        }
    ],
    tag_specifications=[{"resource_type": "instance", "tags": tags}],
    tags=tags,
)
scaled = aws.autoscaling.Group(
    "nodes",
    min_size=0,
    max_size=config.get_int("most") or 4,
    desired_capacity=config.get_int("desired") or 2,
    vpc_zone_identifiers=[subnet.id for subnet in subnets],
    launch_template={
        "id": template.id,
        "version": template.latest_version.apply(str),
    },
    suspended_processes=["AZRebalance"],
    initial_lifecycle_hooks=[
        {
            "name": "drain",
            "lifecycle_transition": "autoscaling:EC2_INSTANCE_TERMINATING",
            "default_result": "CONTINUE",
            "heartbeat_timeout": 300,
        }
    ],
    wait_for_capacity_timeout="0",
    tags=[
        {"key": name, "value": value, "propagate_at_launch": True} for name, value in tags.items()
    ],
    opts=pulumi.ResourceOptions(ignore_changes=["desiredCapacity"]),
)
aws.autoscaling.Group(
    "spot",
    min_size=0,
    max_size=2,
    vpc_zone_identifiers=[subnet.id for subnet in subnets],
    mixed_instances_policy={
        "instances_distribution": {
            "on_demand_base_capacity": 1,
            "spot_allocation_strategy": "price-capacity-optimized",
        },
        "launch_template": {
            "launch_template_specification": {
                "launch_template_id": template.id,
                "version": "$Latest",
            },
            "overrides": [{"instance_type": "m5.large"}, {"instance_type": "m5a.large"}],
        },
    },
    force_delete=True,
)
aws.autoscaling.LifecycleHook(
    "begin",
    autoscaling_group_name=scaled.name,
    lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING",
    heartbeat_timeout=config.get_int("heartbeat") or 300,
)
server = aws.ec2.Instance(
    "server",
    ami=image,
    instance_type="m5.large",
    subnet_id=subnets[0].id,
    private_ip=config.get("address") or "10.70.0.10",
    vpc_security_group_ids=[apart.id],
    iam_instance_profile=profile.name,
    user_data=words,
    user_data_replace_on_change=True,
    metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
    root_block_device={"encrypted": True, "volume_size": 20},
    tags=tags,
    # Its address is one and cannot be had by two.
    opts=pulumi.ResourceOptions(delete_before_replace=True),
)

pulumi.export(
    "subnets",
    aws.ec2.get_subnets_output(
        filters=[{"name": "vpc-id", "values": [vpc.id]}],
        opts=pulumi.InvokeOutputOptions(depends_on=subnets),
    ).ids,
)
pulumi.export("version", template.latest_version)
pulumi.export("server", server.private_ip)
pulumi.export("egress", group.egress)
