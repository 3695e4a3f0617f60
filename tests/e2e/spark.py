"""The way of the README: a data centre, a Spark cluster on it, pi; then a second cluster.

The same for everybody; who brings it up, and with what, is a :class:`Way`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from e2e.checkout import Checkout

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


class Way(Protocol):
    """How somebody works with the data centre of a checkout."""

    place: Checkout

    def up(self) -> None:
        """Makes it what is declared."""

    def install(self, name: str, workers: int) -> None:
        """Starts a Spark cluster; returns when it is healthy."""

    def pi(self, name: str) -> str:
        """What the package's example says on a cluster."""

    def submit(self, name: str, program: Path) -> str:
        """What a program says on a cluster."""

    def destroy(self) -> list[str]:
        """Takes it down; what is left that should not be."""


@dataclass
class ByVdc:
    """With ``vdc`` alone."""

    place: Checkout

    def up(self) -> None:
        self.place.vdc("up", "--yes")

    def install(self, name: str, workers: int) -> None:
        self.place.vdc("install", "spark", "--name", name, "--set", f"workers={workers}")

    def pi(self, name: str) -> str:
        return self.place.vdc("submit", name, "example:pi", "--", "20").stdout

    def submit(self, name: str, program: Path) -> str:
        return self.place.vdc("submit", name, str(program)).stdout

    def destroy(self) -> list[str]:
        self.place.vdc("destroy", "--yes")
        return self.place.left()


@dataclass
class ByPulumi:
    """With plain ``pulumi`` and the pool's API: clusters are declared, like all else."""

    place: Checkout
    apps: dict[str, Any] = field(default_factory=dict)

    def up(self) -> None:
        self.place.pulumi("up", "--yes", "--skip-preview")

    def install(self, name: str, workers: int) -> None:
        self.apps[name] = {"package": "spark", "options": {"workers": workers}}
        self.place.declare(apps=self.apps)
        self.up()

    def pi(self, name: str) -> str:
        return self._said(name, example="pi", args=["20"])

    def submit(self, name: str, program: Path) -> str:
        return self._said(name, program=program.read_bytes())

    def _said(self, name: str, **what: Any) -> str:
        with self.place.pool() as pool:
            run = pool.wait_run(pool.submit(name, **what).id)
            said = b"".join(pool.run_logs(run.id)).decode()
        assert run.exit_code == 0, said
        return said

    def destroy(self) -> list[str]:
        self.place.pulumi("destroy", "--yes", "--skip-preview")
        return self.place.left_by_pulumi()


def computes_and_goes(way: Way) -> None:
    """From nothing to pi on two agents, a second cluster beside the first, and to nothing."""
    place = way.place
    way.up()
    assert place.ready() == place.names(3)
    way.install("pi", workers=2)
    said = way.pi("pi")
    found = re.search(r"Pi is roughly (3\.1\d*)", said)
    assert found, said
    assert abs(float(found[1]) - 3.14159) < 0.02

    program = place.base / "where.py"
    program.write_text(WHERE)
    logs = way.submit("pi", program)
    nodes = _node_of_port(place, "pi")
    worked = {nodes[int(port)] for port in re.findall(r":(\d+)/", logs)}
    assert len(worked) == 2, logs
    assert worked <= set(place.names(3))

    way.install("second", workers=1)
    with place.pool() as pool:
        apps = {app.name: app.status for app in pool.apps()}
    assert apps == {"pi": "healthy", "second": "healthy"}
    assert way.destroy() == []


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
