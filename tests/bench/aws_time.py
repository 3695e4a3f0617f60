"""Seconds from `pulumi up` to four ready nodes of a group of AWS, the API being moto's.

``python tests/bench/aws_time.py [--runs 3]``, as root, prints the median of runs in fresh labs, and
of each when the cloud had begun the last instance and when the pool had all nodes. The machines
are the lab's: what AWS needs to start one is not in it. The VPC with its subnets and gateways, the
role, the template and the Auto Scaling group are made as well.
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from labs.aws import aws_lab
from labs.aws.stack import Standing, standing
from labs.images import machine_image

NODES = 4
MADE = re.compile(r"Members cloud-workers created")


@dataclass(frozen=True)
class Run:
    """Seconds from the command until machines had started, nodes were ready, all was done."""

    started: float
    ready: float
    done: float


def once() -> Run:
    """One `pulumi up` of a fresh stack; what `vdc env` prepares is prepared before."""
    with aws_lab() as lab, standing(lab, "bench") as cloud:
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
        return Run(_started(cloud) - clock, ready - begun, done - begun)


def _started(cloud: Standing) -> float:
    """When the last machine was begun, as the cloud says, in seconds of the epoch."""
    return max(it["LaunchTime"].timestamp() for it in cloud.machines().values())


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
            f"{number + 1} {run.started:6.2f} s launched, {run.ready:6.2f} s ready, "
            f"{run.done:6.2f} s done"
        )
    print(f"median {statistics.median(run.ready for run in runs):6.2f} s ready")


if __name__ == "__main__":
    main()
