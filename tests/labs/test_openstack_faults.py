"""Faults of a cloud, as a user of ``vdc up`` meets them.

Each that matters ends in one line that names the node and what the cloud said; the state matches
what there is, nothing is orphaned, and the next run, with the fault gone, converges.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from e2e.eventually import eventually, settled
from labs.cloud_faults import Fault
from labs.openstack import Lab, openstack_lab
from labs.openstack.cloud import CLOUD, belongings, member, offer_project
from labs.openstack.stack import Standing, standing

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of a lab are made by root"),
]

CREATE = "POST nova/v2.1/servers"
_RUN_S = 600


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with openstack_lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def standing_cloud(lab: Lab) -> Iterator[Standing]:
    """A stack with a network and one server, to which the tests add."""
    with standing(lab, "ill") as made:
        made.declare(workers={"count": 1})
        made.stack.vdc("up", "--yes")
        yield made


@pytest.fixture
def cloud(standing_cloud: Standing) -> Iterator[Standing]:
    """With one server before and after, which is the same one all the time."""
    before = standing_cloud.ids()
    yield standing_cloud
    standing_cloud.declare(workers={"count": 1})
    standing_cloud.stack.vdc("up", "--yes")
    assert standing_cloud.ids() == before
    assert sorted(standing_cloud.servers()) == standing_cloud.names(1)


def up(cloud: Standing, code: int) -> str:
    """A run of the literal ``pulumi up``, which asks for nothing beforehand; what it said."""
    return cloud.stack.pulumi("up", "--yes", "--skip-preview", code=code).text


def failures(said: str, node: str) -> list[str]:
    """What was said of a node's failure, each line once."""
    lines = (line.strip().removeprefix("error: ") for line in said.splitlines())
    return sorted({line for line in lines if f"node {node}:" in line})


def recorded(cloud: Standing) -> list[str]:
    """The nodes that the state has."""
    exported = json.loads(cloud.stack.pulumi("stack", "export").stdout)
    (group,) = (
        each
        for each in exported["deployment"]["resources"]
        if each["type"] == "vdc:openstack:NodeGroup"
    )
    return sorted(group["outputs"]["nodes"])


def converges(cloud: Standing, count: int) -> None:
    """The next run makes what was declared, and exactly that."""
    cloud.stack.vdc("up", "--yes")
    assert cloud.stack.ready() == cloud.names(count)
    assert sorted(cloud.servers()) == cloud.names(count)
    assert "unchanged" in cloud.stack.vdc("up", "--yes").stdout


def test_a_quota_is_found_before_anything_is_made(lab: Lab, cloud: Standing) -> None:
    cloud.declare(workers={"count": 3})
    with lab.quota(instances=1):
        said = cloud.stack.vdc("up", "--yes", code=2).stderr
        print(said)
        (line,) = (line for line in said.splitlines() if "quota" in line)
        assert "stacks/ill.yaml:" in line
        assert "sites.cloud.groups.workers.count" in line
        assert sorted(cloud.servers()) == cloud.names(1)


def test_a_quota_that_is_met_on_the_way_costs_no_more_than_the_nodes_that_are_to_come(
    lab: Lab, cloud: Standing
) -> None:
    cloud.declare(workers={"count": 3})
    with lab.quota(instances=2):
        said = up(cloud, 1)
    print(said)
    lines = {name: failures(said, name) for name in cloud.names(3)}
    refused = {name for name, found in lines.items() if found}
    # Of two that come at once nova refuses one, or each for the other's sake.
    assert refused
    assert refused <= {*cloud.names(3)[1:]}
    for name in refused:
        (line,) = lines[name]
        assert "Quota exceeded for instances" in line
    assert "Traceback" not in said
    assert cloud.stack.ready() == sorted({*cloud.names(3)} - refused)
    assert recorded(cloud) == sorted(cloud.servers())
    converges(cloud, 3)


def test_a_cloud_that_throttles_is_waited_for(lab: Lab, cloud: Standing) -> None:
    cloud.declare(workers={"count": 2})
    with lab.fault(Fault(CREATE, "throttle", times=2)) as met:
        said = up(cloud, 0)
        assert len(met()) == 2
    print(said)
    assert cloud.stack.ready() == cloud.names(2)
    assert sorted(cloud.servers()) == cloud.names(2)


def test_a_cloud_that_never_stops_to_throttle_costs_one_line(lab: Lab, cloud: Standing) -> None:
    cloud.declare(workers={"count": 2})
    with lab.fault(Fault(CREATE, "throttle", times=1000)):
        said = up(cloud, 1)
    print(said)
    (line,) = failures(said, cloud.names(2)[1])
    assert "Too Many Requests" in line
    assert sorted(cloud.servers()) == cloud.names(1)
    converges(cloud, 2)


def test_a_server_that_takes_its_time_is_waited_for(lab: Lab, cloud: Standing) -> None:
    late = cloud.names(2)[1]
    cloud.declare(workers={"count": 2})
    with lab.fault(Fault(f"SPAWN {late}", "delay", seconds=45)) as met:
        up(cloud, 0)
        assert met() == [f"SPAWN {late}"]
    assert cloud.stack.ready() == cloud.names(2)


def test_a_server_that_fails_costs_itself_alone(lab: Lab, cloud: Standing) -> None:
    ill = cloud.names(3)[1]
    cloud.declare(workers={"count": 3})
    with lab.fault(Fault(f"SPAWN {ill}", "fail", times=1000)):
        said = up(cloud, 1)
    print(said)
    (line,) = failures(said, ill)
    assert "the lab was asked to fail it" in line
    others = sorted({*cloud.names(3)} - {ill})
    assert settled(cloud.stack.ready, others) == others
    converges(cloud, 3)


def test_an_answer_that_is_lost_makes_no_second_server(lab: Lab, cloud: Standing) -> None:
    cloud.declare(workers={"count": 2})
    with lab.fault(Fault(CREATE, "lose")) as met:
        said = up(cloud, 0)
        assert len(met()) == 1
    print(said)
    assert sorted(server.name for server in cloud.api.compute.servers()) == cloud.names(2)
    assert cloud.stack.ready() == cloud.names(2)


def test_an_answer_to_a_deletion_that_is_lost_was_one(lab: Lab, cloud: Standing) -> None:
    cloud.declare(workers={"count": 2})
    up(cloud, 0)
    cloud.declare(workers={"count": 1})
    with lab.fault(Fault("DELETE nova/v2.1/servers/.*", "lose")) as met:
        up(cloud, 0)
        assert len(met()) == 1
    assert sorted(cloud.servers()) == cloud.names(1)


def test_a_cloud_that_is_silent_for_a_moment_costs_no_node(lab: Lab, cloud: Standing) -> None:
    cloud.declare(workers={"count": 2})
    with lab.fault(Fault("GET nova/v2.1/servers/detail", "fail", times=5)) as met:
        up(cloud, 0)
        assert len(met()) == 5
    assert cloud.stack.ready() == cloud.names(2)


def test_an_entry_that_leads_to_another_project_makes_nothing_there_and_forgets_nothing(
    lab: Lab, cloud: Standing
) -> None:
    before, state = belongings(cloud.api), recorded(cloud)
    with lab.administrator() as administrator:
        offer_project(administrator, "other")
    entry = lab.clouds.read_text()
    lab.clouds.write_text(entry.replace(f"project_name: {CLOUD}\n", "project_name: other\n"))
    try:
        early = cloud.stack.vdc("up", "--refresh", "--yes", code=2).stderr
        cloud.declare(workers={"count": 2})
        late = up(cloud, 1)
        there = member(lab.clouds)
        assert there.current_project_id != cloud.api.current_project_id
        assert belongings(there) == []
    finally:
        lab.clouds.write_text(entry)
    print(early, late)
    (line,) = early.splitlines()
    assert " sites.cloud.cloud: leads to project " in line
    (said,) = {line for line in late.splitlines() if line.startswith("    error: cloud lab: ")}
    assert cloud.api.current_project_id in line
    assert cloud.api.current_project_id in said
    assert (belongings(cloud.api), recorded(cloud)) == (before, state)
    cloud.declare(workers={"count": 1})
    assert "unchanged" in cloud.stack.vdc("up", "--refresh", "--yes").stdout
    assert belongings(cloud.api) == before


def test_a_run_that_is_killed_in_the_middle_leaves_what_the_next_one_finds(
    cloud: Standing,
) -> None:
    cloud.declare(workers={"count": 3})
    run = cloud.stack.begin("up", "--yes")
    eventually("a further server", lambda: len(cloud.servers()) > 1, 120)
    _kill(run)
    converges(cloud, 3)


def _kill(run: subprocess.Popen[bytes]) -> None:
    """Ends ``vdc`` and what it has started, as a machine that loses power does."""
    whole = psutil.Process(run.pid)
    for process in [*whole.children(recursive=True), whole]:
        with suppress(psutil.NoSuchProcess):  # which ends by itself when another one is gone
            process.kill()
    run.wait(_RUN_S)
