"""The way of the README: a data centre, a Spark cluster on it, pi; then a second cluster."""

from __future__ import annotations

import json
import re

import pytest

from e2e.checkout import Checkout

pytestmark = [pytest.mark.real, pytest.mark.long]

# Spark's own API says which executors did something; each task takes long enough that one
# executor cannot have them all. An executor's log is read at its worker's port.
WHERE = """
import json, time, urllib.request
from pyspark.sql import SparkSession

context = SparkSession.builder.getOrCreate().sparkContext
context.parallelize(range(12), 12).map(lambda number: time.sleep(0.5)).count()
url = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/executors"
for executor in json.load(urllib.request.urlopen(url)):
    if executor["id"] != "driver" and executor["totalTasks"]:
        print(executor["executorLogs"]["stderr"])
"""


def test_pi_is_computed_on_two_agents_and_another_cluster_runs_beside(fresh: Checkout) -> None:
    fresh.vdc("up", "--yes")
    fresh.vdc("install", "spark", "--name", "pi", "--set", "workers=2")
    said = fresh.vdc("submit", "pi", "example:pi", "--", "20").stdout
    found = re.search(r"Pi is roughly (3\.1\d*)", said)
    assert found, said
    assert abs(float(found[1]) - 3.14159) < 0.02

    program = fresh.base / "where.py"
    program.write_text(WHERE)
    logs = fresh.vdc("submit", "pi", str(program)).stdout
    nodes = _node_of_port(fresh, "pi")
    worked = {nodes[int(port)] for port in re.findall(r":(\d+)/", logs)}
    assert len(worked) == 2, logs
    assert worked <= set(fresh.names(3))

    fresh.vdc("install", "spark", "--name", "second", "--set", "workers=1")
    apps = json.loads(fresh.vdc("apps", "--output", "json").stdout)
    assert {app["name"]: app["status"] for app in apps} == {"pi": "healthy", "second": "healthy"}

    fresh.vdc("destroy", "--yes")
    assert fresh.left() == []


def test_pulumi_alone_starts_a_cluster_that_the_stack_declares(fresh: Checkout) -> None:
    fresh.declare(apps={"pi": {"package": "spark", "options": {"workers": 2}}})
    fresh.pulumi("up", "--yes", "--skip-preview")
    with fresh.pool() as pool:
        run = pool.wait_run(pool.submit("pi", example="pi", args=["20"]).id)
        said = b"".join(pool.run_logs(run.id)).decode()
    assert run.exit_code == 0, said
    assert re.search(r"Pi is roughly 3\.1", said), said

    fresh.pulumi("destroy", "--yes", "--skip-preview")
    assert [line for line in fresh.left() if not line.startswith("file ")] == []


def _node_of_port(place: Checkout, app: str) -> dict[int, str]:
    """Which node each of an app's ports is on."""
    with place.scheduler() as scheduler:
        found = scheduler.get("/v1/allocations", params={"resources": "true"}).json()
    return {
        port["Value"]: allocation["NodeName"]
        for allocation in found
        if allocation["JobID"] == app
        for port in allocation["AllocatedResources"]["Shared"]["Ports"]
    }
