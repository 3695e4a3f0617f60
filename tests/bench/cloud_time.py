"""Seconds from `pulumi up` to four ready nodes in a cloud, for each kind of cloud.

``python tests/bench/cloud_time.py [--only KIND] [--runs 3]``, as root, prints the median of runs in
fresh labs, and of each when the cloud had begun the last machine and when the pool had all nodes.
The machines are the labs': what a hypervisor needs to start one is not in it. What the cloud needs
to decide on one is, by OpenStack's own services and, for AWS, by moto in their place, with the
lab's own Auto Scaling; and so are the network, its router and its rules, which are made as well.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import labs.aws.stack
import labs.openstack.stack
from labs.aws import aws_lab
from labs.images import machine_image
from labs.openstack import openstack_lab
from measured import Run, by_turns, pulumi_up

NODES = 4
KINDS = {
    "aws": (aws_lab, labs.aws.stack.standing, "Members cloud-workers"),
    "openstack": (openstack_lab, labs.openstack.stack.standing, "NodeGroup cloud-workers"),
}


def once(
    lab: Callable[[], AbstractContextManager[Any]],
    standing: Callable[[Any, str], AbstractContextManager[Any]],
    made: str,
) -> Run:
    """One `pulumi up` of a fresh stack in a fresh lab."""
    with lab() as place, standing(place, "bench") as cloud:
        cloud.declare(workers={"count": NODES})
        run = pulumi_up(cloud.stack, made)
        return replace(run, note=f"; {cloud.launched() - run.begun:.2f} s launched")


def main() -> None:
    """Prints each run and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each")
    parser.add_argument("--only", choices=sorted(KINDS), help="one kind")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("the labs' namespaces are made by root")
    machine_image()
    chosen = [arguments.only] if arguments.only else sorted(KINDS)
    by_turns({kind: partial(once, *KINDS[kind]) for kind in chosen}, arguments.runs)


if __name__ == "__main__":
    main()
