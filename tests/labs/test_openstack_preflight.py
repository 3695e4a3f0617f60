"""What a cloud would not carry is said before anything is made, with the declaration's line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from e2e.checkout import Checkout, checkout
from labs.openstack import Lab, openstack_lab
from labs.openstack.cloud import CLOUD, EXTERNAL, IMAGE, REGION, belongings, member

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

SITE = {
    "kind": "openstack",
    "cloud": CLOUD,
    "region": REGION,
    "network": {"cidr": "10.60.0.0/24", "router": EXTERNAL},
    "egress": "nat",
    "image": IMAGE,
    "os": {"name": "debian", "version": "12"},
}
WORKERS = {"count": 3, "size": {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab:
        yield lab


@pytest.fixture
def user(lab: Lab) -> Iterator[Checkout]:
    """Somebody with a ``clouds.yaml`` of their own, who has made nothing yet."""
    with lab.network.entered(), checkout("early") as made:
        clouds = made.base / "clouds.yaml"
        clouds.write_text(lab.clouds.read_text())
        yield replace(made, environment={**made.environment, "OS_CLIENT_CONFIG_FILE": str(clouds)})


def declare(
    user: Checkout,
    site: Mapping[str, Any],
    workers: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> None:
    """One site in the cloud, and others that are like it but for what is said."""
    groups = {"workers": {**WORKERS, **workers}}
    others = {name: {**SITE, **own, "groups": groups} for name, own in (more or {}).items()}
    document = {
        "name": "early",
        "control": {"site": "here", "addresses": ["10.88.0.254"]},
        "sites": {
            "here": {"kind": "local"},
            "cloud": {**SITE, **site, "groups": groups},
            **others,
        },
    }
    user.declaration.write_text(yaml.safe_dump(document, sort_keys=False))


def problems(user: Checkout) -> list[tuple[str, str]]:
    """Path and message of each, whose lines are those of the file."""
    told = json.loads(user.vdc("preflight", "-o", "json", code=2).stdout)
    assert not told["ok"]
    lines = user.declaration.read_text().splitlines()
    for problem in told["problems"]:
        key = re.sub(r"\.\d+$", "", problem["path"]).rpartition(".")[2]
        assert lines[problem["line"] - 1].lstrip("- ").startswith((f"{key}:", "mars")), problem
    return [(problem["path"], problem["message"]) for problem in told["problems"]]


def test_what_the_cloud_carries_is_ready_and_nothing_is_made(user: Checkout) -> None:
    declare(user, {}, {})
    assert user.vdc("preflight").stdout == "stacks/early.yaml: ready (cloud)\n"
    assert not user.own.root.exists()


def test_all_that_the_cloud_has_not_is_said_at_once(user: Checkout, lab: Lab) -> None:
    declare(
        user,
        {"image": "debian-99", "network": {"cidr": "10.60.0.0/24", "router": "nowhere"}},
        {"flavor": "colossal", "zones": ["mars"]},
    )
    with lab.quota(instances=2):
        found = dict(problems(user))
    assert found.keys() == {
        "sites.cloud.image",
        "sites.cloud.network.router",
        "sites.cloud.groups.workers.flavor",
        "sites.cloud.groups.workers.zones.0",
        "sites.cloud.groups.workers.count",
    }
    assert "debian-99" in found["sites.cloud.image"]
    assert "3 servers more, and the quota leaves 2" in found["sites.cloud.groups.workers.count"]


def test_sites_of_one_project_are_counted_together(user: Checkout, lab: Lab) -> None:
    second = {"network": {"cidr": "10.61.0.0/24", "router": EXTERNAL}}
    declare(user, {}, {"spread": "soft"}, {"second": second})
    with lab.quota(instances=5, server_groups=1):
        found = dict(problems(user))
    workers = "sites.second.groups.workers"
    assert found == {
        f"{workers}.count": "needs 3 servers more, and the quota leaves 2",
        f"{workers}.spread": "needs 1 server groups more, and the quota leaves 0",
    }


def test_a_network_more_than_there_may_be(user: Checkout, lab: Lab) -> None:
    declare(user, {}, {})
    with lab.administrator() as administrator:
        project = administrator.identity.find_project(CLOUD, ignore_missing=False).id
        administrator.network.update_quota(project, networks=0, routers=0)
    try:
        found = problems(user)
    finally:
        with lab.administrator() as administrator:
            administrator.network.update_quota(project, networks=-1, routers=-1)
    cidr = "sites.cloud.network.cidr"
    assert found == [
        (cidr, "needs 1 networks more, and the quota leaves 0"),
        (cidr, "needs 1 routers more, and the quota leaves 0"),
    ]


def test_a_size_that_no_flavour_has(user: Checkout) -> None:
    declare(user, {}, {"size": {"cpu": 900, "memory": "1GiB", "disk": "4GiB"}})
    ((path, _),) = problems(user)
    assert path == "sites.cloud.groups.workers.size"


def test_a_named_flavour_that_has_less_than_the_size(user: Checkout) -> None:
    declare(user, {}, {"flavor": "tiny"})
    assert problems(user) == [
        (
            "sites.cloud.groups.workers.flavor",
            "has 512 MiB of memory and not 1,024 (got tiny)",
        )
    ]


@pytest.mark.parametrize(
    ("site", "path"),
    [({"region": "Mars"}, "sites.cloud.region"), ({"cloud": "other"}, "sites.cloud.cloud")],
)
def test_where_there_is_no_cloud(user: Checkout, site: Mapping[str, Any], path: str) -> None:
    declare(user, site, {})
    ((found, _),) = problems(user)
    assert found == path


def test_up_with_a_wrong_password_makes_nothing_and_shows_none(user: Checkout, lab: Lab) -> None:
    clouds = user.base / "clouds.yaml"
    wrong = yaml.safe_load(clouds.read_text())
    wrong["clouds"][CLOUD]["auth"]["password"] = "not-the-password"
    clouds.write_text(yaml.safe_dump(wrong))
    declare(user, {}, {})
    before = belongings(member(lab.clouds))
    done = user.vdc("up", "--yes", code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("vdc: stacks/early.yaml:")
    assert " sites.cloud.cloud: " in line
    assert "401" in line or "requires authentication" in line
    assert "not-the-password" not in done.text
    assert not user.own.root.exists()
    assert belongings(member(lab.clouds)) == before
