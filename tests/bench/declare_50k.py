"""Seconds and memory from a large declaration to its plan: 500 groups of 100 machines.

``python tests/bench/declare_50k.py [--groups 500] [--count 100]`` parses, validates and plans
it, makes every machine's object, and prints the time of each step beside a plain
``yaml.load`` of the same text in the same run. Fails when a goal is missed.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from itertools import pairwise

import yaml

from vdc.declaration.document import read
from vdc.declaration.loader import check_data
from vdc.plan import plan

MOST_SECONDS = 3.0
MOST_MB = 500

# The servers are on this machine; so many workers only a cloud bears.
HEAD = """\
name: bench
control:
  site: here
  addresses: [10.0.0.1]
sites:
  here:
    kind: local
  cloud:
    kind: openstack
    cloud: mycloud
    network: {name: shared}
    image: debian-12
    os: {name: debian, version: "12"}
    groups:
"""
GROUP = """\
      group-{number}:
        count: {count}
        size: {{cpu: 2.5, memory: 4GiB, disk: 10GiB}}
        labels:
          tier: general
          rack: r{number}
        price: 0.0213
        drain: {{deadline: 5m}}
"""


def declaration(groups: int, count: int) -> bytes:
    body = (GROUP.format(number=number, count=count) for number in range(groups))
    return (HEAD + "".join(body)).encode()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", type=int, default=500)
    parser.add_argument("--count", type=int, default=100)
    arguments = parser.parse_args()
    data = declaration(arguments.groups, arguments.count)

    marks = [time.perf_counter()]
    yaml.load(data, Loader=yaml.CSafeLoader)
    marks.append(time.perf_counter())
    read(data, "bench.yaml")
    marks.append(time.perf_counter())
    checked = check_data(data, "bench.yaml")
    marks.append(time.perf_counter())
    made = plan(checked.declaration)
    nodes = [node for group in made.groups for node in group.nodes]
    marks.append(time.perf_counter())

    plain, parse, parse_and_validate, planned = (
        after - before for before, after in pairwise(marks)
    )
    total = parse_and_validate + planned
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    machines = arguments.groups * arguments.count + 1
    print(f"machines     {len(nodes):>9,} in {len(made.groups):,} groups, {len(data):,} bytes")
    print(f"yaml.load    {plain:>9.3f} s")
    print(f"parse        {parse:>9.3f} s")
    print(f"validate     {parse_and_validate - parse:>9.3f} s")
    print(f"plan         {planned:>9.3f} s")
    print(f"total        {total:>9.3f} s   goal {MOST_SECONDS} s; {total / plain:.1f} x yaml.load")
    print(f"peak memory  {peak_mb:>9.0f} MB  goal {MOST_MB} MB")
    return 0 if len(nodes) == machines and total < MOST_SECONDS and peak_mb < MOST_MB else 1


if __name__ == "__main__":
    sys.exit(main())
