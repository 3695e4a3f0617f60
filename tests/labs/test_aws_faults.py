"""Faults of AWS, as a user of ``vdc up`` meets them.

Each that matters ends in one line that says what AWS said; the state matches what there is, nothing
is orphaned, and the next run, with the fault gone, converges.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from e2e.eventually import eventually
from labs.aws import Lab, aws_lab
from labs.aws.settings import SECRET
from labs.aws.stack import GROUP, SITE, Standing, standing
from labs.cloud_faults import Fault
from labs.processes import kill_whole

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

LAUNCH = "LAUNCH .*"
WHERE = f"group {GROUP} of site {SITE}: "


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with aws_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def standing_cloud(lab: Lab) -> Iterator[Standing]:
    """A stack with one node, to which the tests add."""
    with standing(lab, "ill") as made:
        made.declare(workers={"count": {"min": 1, "max": 4}})
        made.stack.vdc("up", "--yes")
        yield made


@pytest.fixture
def cloud(standing_cloud: Standing) -> Iterator[Standing]:
    """With one node before and after."""
    yield standing_cloud
    declare(standing_cloud, 1)
    standing_cloud.stack.vdc("up", "--yes")
    assert len(standing_cloud.machines()) == 1


def declare(cloud: Standing, count: int) -> None:
    """The room for more stays, so that no more than the count is another."""
    cloud.declare(workers={"count": {"min": count, "max": 4}})


def up(cloud: Standing, code: int) -> str:
    """A run of the literal ``pulumi up``, which asks for nothing beforehand; what it said."""
    return cloud.stack.pulumi("up", "--yes", "--skip-preview", code=code).text


def errors(said: str) -> list[str]:
    """What was said of the group's failure, each line once."""
    return sorted({line[line.index(WHERE) :] for line in said.splitlines() if WHERE in line})


def recorded(cloud: Standing) -> list[str]:
    """The nodes that the state has."""
    exported = json.loads(cloud.stack.pulumi("stack", "export").stdout)
    (members,) = (
        each for each in exported["deployment"]["resources"] if each["type"] == "vdc:cloud:Members"
    )
    return sorted(members["outputs"]["nodes"])


def converges(cloud: Standing, count: int) -> None:
    """The next run makes what was declared, and exactly that, and the one after it nothing."""
    cloud.stack.vdc("up", "--yes")
    assert len(cloud.machines()) == count
    assert cloud.stack.ready() == cloud.nodes()
    assert cloud.fleet()["DesiredCapacity"] == count
    assert "unchanged" in cloud.stack.vdc("up", "--yes").stdout


def costs_a_line(said: str, why: str) -> None:
    """A run that failed has said one line of the group, with AWS's word for it."""
    print(said)
    (line,) = errors(said)
    assert why in line
    assert "Traceback" not in said


def test_a_quota_is_found_before_anything_is_made(lab: Lab, cloud: Standing) -> None:
    declare(cloud, 3)
    with lab.quota(1):
        said = cloud.stack.vdc("up", "--yes", code=2).stderr
    print(said)
    (line,) = (line for line in said.splitlines() if "vCPU" in line or "quota" in line)
    assert "stacks/ill.yaml:" in line
    assert "sites.cloud" in line
    assert len(cloud.machines()) == 1


def test_a_credential_that_fails_is_found_before_anything_is_made(cloud: Standing) -> None:
    environment = dict(cloud.stack.environment)
    declare(cloud, 2)
    cloud.stack.environment["AWS_SECRET_ACCESS_KEY"] = "other"  # type: ignore[index]
    try:
        said = cloud.stack.vdc("up", "--yes", code=2)
    finally:
        cloud.stack.environment["AWS_SECRET_ACCESS_KEY"] = SECRET  # type: ignore[index]
    print(said.stderr)
    assert "stacks/ill.yaml:" in said.stderr
    assert "SignatureDoesNotMatch" in said.stderr
    assert "Traceback" not in said.text
    assert dict(cloud.stack.environment) == environment
    assert len(cloud.machines()) == 1


def test_a_quota_that_is_met_on_the_way_costs_the_nodes_that_are_too_many(
    lab: Lab, cloud: Standing
) -> None:
    declare(cloud, 3)
    (kind,) = {it["InstanceType"] for it in cloud.machines().values()}
    types = cloud.api("ec2").describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
    with lab.quota(2 * types[0]["VCpuInfo"]["DefaultVCpus"]):
        said = up(cloud, 1)
    costs_a_line(said, "current vCPU limit")
    assert len(cloud.machines()) == 2
    assert cloud.fleet()["DesiredCapacity"] == 2, "nobody waits for what cannot come"
    assert recorded(cloud) == cloud.nodes() == cloud.stack.ready()
    converges(cloud, 3)


def test_a_cloud_that_throttles_is_waited_for(lab: Lab, cloud: Standing) -> None:
    declare(cloud, 2)
    with lab.fault(Fault("autoscaling SetDesiredCapacity", "throttle", times=3)) as met:
        up(cloud, 0)
        assert len(met()) == 3
    assert cloud.stack.ready() == cloud.nodes()
    assert len(cloud.machines()) == 2


def test_a_cloud_that_never_stops_to_throttle_costs_one_line(lab: Lab, cloud: Standing) -> None:
    declare(cloud, 2)
    with lab.fault(Fault("autoscaling SetDesiredCapacity", "throttle", times=1000)):
        said = up(cloud, 1)
    costs_a_line(said, "Rate exceeded")
    assert recorded(cloud) == cloud.nodes()
    assert len(cloud.machines()) == 1
    converges(cloud, 2)


def test_an_answer_that_is_lost_makes_no_second_machine(lab: Lab, cloud: Standing) -> None:
    declare(cloud, 2)
    with lab.fault(Fault("autoscaling SetDesiredCapacity", "lose")) as met:
        up(cloud, 0)
        assert len(met()) == 1
    assert cloud.stack.ready() == cloud.nodes()
    assert len(cloud.machines()) == 2


def test_a_machine_that_takes_its_time_is_waited_for(lab: Lab, cloud: Standing) -> None:
    declare(cloud, 2)
    with lab.fault(Fault(LAUNCH, "delay", seconds=45)) as met:
        up(cloud, 0)
        assert len(met()) == 1
    assert cloud.stack.ready() == cloud.nodes()


def test_a_zone_without_room_for_a_moment_costs_nothing(lab: Lab, cloud: Standing) -> None:
    declare(cloud, 3)
    with lab.fault(Fault(LAUNCH, "fail", times=2)) as met:
        up(cloud, 0)
        assert len(met()) == 2
    assert len(cloud.machines()) == 3
    assert cloud.stack.ready() == cloud.nodes()


def test_what_is_made_in_part_is_recorded_and_taken_up(lab: Lab, cloud: Standing) -> None:
    declare(cloud, 3)
    one_comes, no_other = Fault(LAUNCH, "delay"), Fault(LAUNCH, "fail", times=1000)
    with lab.fault(one_comes), lab.fault(no_other):
        said = up(cloud, 1)
    costs_a_line(said, "sufficient")
    assert len(cloud.machines()) == 2
    assert cloud.fleet()["DesiredCapacity"] == 2
    assert recorded(cloud) == cloud.nodes() == cloud.stack.ready()
    converges(cloud, 3)


def test_a_run_that_is_killed_in_the_middle_leaves_what_the_next_one_finds(
    cloud: Standing,
) -> None:
    declare(cloud, 3)
    run = cloud.stack.begin("up", "--yes")
    eventually("a further machine", lambda: len(cloud.machines()) > 1, 120)
    kill_whole(run)
    converges(cloud, 3)
