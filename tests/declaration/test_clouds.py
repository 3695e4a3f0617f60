"""Sites in clouds: what their models say beside their fields."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from vdc.declaration import Declaration, changes, load
from vdc.declaration.os import SystemVersion
from vdc.declaration.sites.aws.images import parameter
from vdc.declaration.sites.aws.rules import processor
from vdc.declaration.sites.aws.subnets import shared_subnet, subnet_prefix, zone_subnet

CASES = Path(__file__).parents[1] / "cases"
OPENSTACK = CASES / "declaration.ok.openstack.yaml"


def edited(edit) -> Declaration:
    document = yaml.safe_load(OPENSTACK.read_text())
    edit(document["sites"]["cloud"])
    return Declaration.model_validate(document)


def test_a_group_has_the_fewest_machines_at_first_and_room_for_the_most():
    groups = load(OPENSTACK).sites["cloud"].groups
    workers, disks = groups["workers"], groups["disks"]
    assert (workers.machine_count, workers.most_machines, workers.longest_member) == (2, 10, "9")
    assert (disks.machine_count, disks.most_machines, disks.longest_member) == (4, 4, "3")


def test_a_changed_bound_and_a_changed_sort_of_count_are_one_change_each():
    old = load(OPENSTACK)
    (more,) = changes(old, edited(lambda c: c["groups"]["workers"]["count"].update(max=12)))
    assert (more.path, more.policy) == ("sites.cloud.groups.workers.count.max", "in-place")
    (other,) = changes(old, edited(lambda c: c["groups"]["workers"].update(count=4)))
    assert (other.path, other.policy) == ("sites.cloud.groups.workers.count", "in-place")


def test_a_change_is_named_as_it_is_written():
    (change,) = changes(load(OPENSTACK), edited(lambda c: c["access"].update({"from": []})))
    assert change.path == "sites.cloud.access.from"


@pytest.mark.parametrize("key", ["cloud", "region"])
def test_a_site_stays_in_its_cloud(key):
    (change,) = changes(load(OPENSTACK), edited(lambda c: c.update({key: "other"})))
    assert change.policy == "refused"


@pytest.mark.parametrize("cidr", ["10.70.0.0/16", "10.70.0.0/25"])
def test_every_zone_has_a_subnet_of_its_own_that_no_other_zone_moves(cidr):
    zones = [f"eu-central-1{letter}" for letter in "abcdefg"]
    parts = [IPv4Network(p) for p in (shared_subnet(cidr), *(zone_subnet(cidr, z) for z in zones))]
    assert sum(part.num_addresses for part in parts) == IPv4Network(cidr).num_addresses
    assert all(part.subnet_of(IPv4Network(cidr)) for part in parts)
    assert {part.prefixlen for part in parts} == {subnet_prefix(cidr)}
    assert len(set(parts)) == len(parts)


@pytest.mark.parametrize(
    ("instance_type", "arch"),
    [
        ("m6i.large", "amd64"), ("m7g.large", "arm64"), ("c7gn.xlarge", "arm64"),
        ("g4dn.xlarge", "amd64"), ("g5g.xlarge", "arm64"), ("im4gn.large", "arm64"),
        ("a1.large", "arm64"), ("t4g.micro", "arm64"), ("u-6tb1.metal", "amd64"),
        ("x2gd.medium", "arm64"), ("x2iedn.xlarge", "amd64"), ("p4d.24xlarge", "amd64"),
    ],
)  # fmt: skip
def test_an_instance_type_says_what_its_processor_is(instance_type, arch):
    assert processor(instance_type) == arch


def test_images_are_known_of_publishers_that_tell_aws():
    arm = SystemVersion(name="ubuntu", version="24.04", arch="arm64")
    assert parameter(arm) == (
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"
    )
    assert parameter(SystemVersion(name="debian", version="13")) == (
        "/aws/service/debian/release/13/latest/amd64"
    )
    assert parameter(SystemVersion(name="flatcar", version="stable")) is None
