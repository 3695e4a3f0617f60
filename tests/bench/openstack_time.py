"""Seconds from `pulumi up` to four ready servers of an OpenStack cloud, the services being real.

``python tests/bench/openstack_time.py [--runs 3]``, as root, prints the median of runs in fresh
labs, and of each how long the cloud had its last server active before the pool had all nodes. The
servers are the lab's: what a hypervisor needs to start a machine is not in it, what OpenStack needs
to decide on one is. The network, its router and the security group are made as well.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from labs.images import machine_image
from labs.openstack import openstack_lab
from labs.openstack.stack import Standing, standing

NODES = 4
MADE = re.compile(r"NodeGroup cloud-workers created")


@dataclass(frozen=True)
class Run:
    """Seconds from the command until servers were active, nodes ready, and the command done."""

    active: float
    ready: float
    done: float


def once() -> Run:
    """One `pulumi up` of a fresh stack; what `vdc env` prepares is prepared before."""
    with openstack_lab() as lab, standing(lab, "bench") as cloud:
        cloud.declare(workers={"count": NODES})
        stack = cloud.stack
        environment = {**stack.environment, **json.loads(stack.vdc("env", "-o", "json").stdout)}
        pulumi = shutil.which("pulumi", path=environment["PATH"])
        assert pulumi is not None
        begun, clock = time.monotonic(), time.time()
        with subprocess.Popen(
            [pulumi, "up", "--yes", "--skip-preview"],
            cwd=stack.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            ready = 0.0
            said = []
            for line in process.stdout:
                said.append(line)
                if MADE.search(line):
                    ready = time.monotonic()
        done = time.monotonic()
        if process.returncode or not ready:
            raise SystemExit("".join(said))
        return Run(_active(cloud) - clock, ready - begun, done - begun)


def _active(cloud: Standing) -> float:
    """When the last server was started, as the cloud says, in seconds of the epoch."""
    times = (server.launched_at for server in cloud.api.compute.servers())
    return max(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in times)


def main() -> None:
    """Prints each run and the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("the lab's namespaces are made by root")
    machine_image()
    runs = []
    for number in range(arguments.runs):
        runs.append(run := once())
        print(
            f"{number + 1} {run.active:6.2f} s active, {run.ready:6.2f} s ready, "
            f"{run.done:6.2f} s done"
        )
    print(f"median {statistics.median(run.ready for run in runs):6.2f} s ready")


if __name__ == "__main__":
    main()
