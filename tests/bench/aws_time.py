"""Seconds from `pulumi up` to four ready nodes of a group of AWS, the API being moto's.

``python tests/bench/aws_time.py [--runs 3]``, as root, prints the median of runs in fresh labs, and
of each when the cloud had begun the last instance and when the pool had all nodes. The machines
are the lab's: what AWS needs to start one is not in it. The VPC with its subnets and gateways, the
role, the template and the Auto Scaling group are made as well.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from labs.aws import aws_lab
from labs.aws.stack import Standing, standing
from labs.images import machine_image
from measured import Run, by_turns, pulumi_up

NODES = 4


def once() -> Run:
    """One `pulumi up` of a fresh stack in a fresh lab."""
    with aws_lab() as lab, standing(lab, "bench") as cloud:
        cloud.declare(workers={"count": NODES})
        run = pulumi_up(cloud.stack, "Members cloud-workers")
        return replace(run, note=f"; {_started(cloud) - run.begun:.2f} s launched")


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
    by_turns({"pulumi up": once}, arguments.runs)


if __name__ == "__main__":
    main()
