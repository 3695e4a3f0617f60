"""A state that is lost: what it had recorded is found by its tags, and nothing else is touched."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from labs.openstack import Lab, openstack_lab
from labs.openstack.cloud import IMAGE, belongings, member
from labs.openstack.stack import KEY, standing

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab:
        yield lab


@pytest.fixture
def foreign(lab: Lab) -> Iterator[None]:
    """What somebody else has in the same project, and other stacks of the same data centre."""
    theirs = {"vdc-datacenter": "lost", "vdc-stack": "other", "vdc-site": "cloud"}
    words = [f"{key}={value}" for key, value in theirs.items()]
    with lab.network.entered(), closing(member(lab.clouds)) as api:
        network = api.network.create_network(name="somebody's")
        api.network.set_tags(network, words)
        subnet = api.network.create_subnet(
            network_id=network.id, ip_version=4, cidr="10.61.0.0/24", name="somebody's"
        )
        group = api.network.create_security_group(name="somebody's")
        pair = api.compute.create_keypair(name="vdc_lost_lost_too_cloud", public_key=KEY)
        server = api.compute.create_server(
            name="lost-cloud-workers-9",
            flavor_id=api.compute.find_flavor("tiny").id,
            image_id=api.image.find_image(IMAGE).id,
            networks=[{"uuid": network.id}],
            metadata=theirs,
        )
        api.compute.wait_for_server(server, interval=3)
        yield
        # All of it is still there.
        api.compute.delete_server(server)
        api.compute.wait_for_delete(server, interval=3)
        api.network.delete_subnet(subnet, ignore_missing=False)
        api.network.delete_network(network, ignore_missing=False)
        api.network.delete_security_group(group, ignore_missing=False)
        api.compute.delete_keypair(pair, ignore_missing=False)


@pytest.mark.usefixtures("foreign")
def test_all_that_a_lost_state_had_is_found_and_nothing_foreign(lab: Lab) -> None:
    with standing(lab, "lost") as cloud:
        theirs = belongings(cloud.api)
        cloud.declare_site({"access": {"key": KEY}}, workers={"count": 2})
        cloud.stack.vdc("up", "--yes")
        # Some have no name, and so there are several of one.
        ours = sorted((Counter(belongings(cloud.api)) - Counter(theirs)).elements())
        assert json.loads(cloud.stack.vdc("reap", "-o", "json").stdout)["things"] == []
        cloud.stack.state.unlink()
        found = json.loads(cloud.stack.vdc("reap", "-o", "json").stdout)["things"]
        shown = sorted((each["sort"], each["name"]) for each in found)
        print(shown, ours)
        assert {name for sort, name in shown if sort == "server"} == set(cloud.names(2))
        assert ("keypair", "vdc_lost_lost_cloud") in shown
        assert sorted(belongings(cloud.api)) == sorted([*theirs, *ours]), "nothing is removed yet"
        cloud.stack.vdc("reap", "--yes")
        assert sorted(belongings(cloud.api)) == sorted(theirs)
        assert json.loads(cloud.stack.vdc("reap", "-o", "json").stdout)["things"] == []
