"""Seconds from `pulumi up` to four ready servers of an OpenStack cloud, the services being real.

``python tests/bench/openstack_time.py [--runs 3]``, as root, prints the median of runs in fresh
labs, and of each how long the cloud had its last server active before the pool had all nodes. The
servers are the lab's: what a hypervisor needs to start a machine is not in it, what OpenStack needs
to decide on one is. The network, its router and the security group are made as well.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from labs.images import machine_image
from labs.openstack import openstack_lab
from labs.openstack.stack import Standing, standing
from measured import Run, by_turns, pulumi_up

NODES = 4


def once() -> Run:
    """One `pulumi up` of a fresh stack in a fresh lab."""
    with openstack_lab() as lab, standing(lab, "bench") as cloud:
        cloud.declare(workers={"count": NODES})
        run = pulumi_up(cloud.stack, "NodeGroup cloud-workers")
        return replace(run, note=f"; {_active(cloud) - run.begun:.2f} s active")


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
    by_turns({"pulumi up": once}, arguments.runs)


if __name__ == "__main__":
    main()
