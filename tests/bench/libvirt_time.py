"""Seconds from `pulumi up` to four ready containers on two libvirt hosts, beside plain `virsh`.

``python tests/bench/libvirt_time.py [--runs 3]``, as root, alternates between the two, each time in
a fresh lab, and prints the median of each. ``plain_virsh.sh`` does the same by hand: one Nomad
server on this side of the lab network, the image written to both hosts, four containers that
cloud-init turns into agents. Both are over when the scheduler says that four nodes are ready. For
ours the time to the end of the command, when the pool API answers too, is printed beside it.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import yaml

from e2e.checkout import checkout
from labs.images import machine_image, sha256
from labs.lab import SIDE
from labs.libvirt import Lab, libvirt_lab
from vdc.home import Home
from vdc.toolchain import paths

NODES = 4
MOST_S = 60.0
MADE = re.compile(r"NodeGroup rack-workers created")
SCRIPT = Path(__file__).with_name("plain_virsh.sh")


@dataclass(frozen=True)
class Run:
    """Seconds until the nodes were ready, and until the command said that it was done."""

    ready: float
    done: float


def declaration(name: str, lab: Lab) -> dict[str, Any]:
    """The control plane on this side of the lab network, and the containers on its hosts."""
    root = machine_image().root
    image = {"url": str(root), "sha256": sha256(root)}
    size = {"cpu": 1, "memory": "1GiB", "disk": "2GiB"}
    return {
        "name": name,
        "currency": "USD",
        "control": {"site": "here", "servers": 1, "addresses": [SIDE]},
        "sites": {
            "here": {"kind": "local", "groups": {"none": {"count": 0, "size": size}}},
            "rack": {
                "kind": "libvirt",
                "hosts": {host.name: {"uri": host.lxc} for host in lab.hosts},
                "network": {"bridge": "br0"},
                "os": {"name": "debian", "version": "12", "image": image},
                "machine": "lxc",
                "groups": {"workers": {"count": NODES, "size": size}},
            },
        },
    }


def ours() -> Run:
    """One `pulumi up` of a fresh stack; what `vdc env` prepares is prepared before."""
    with libvirt_lab() as lab, checkout("bench", prefix=lab.command()) as place:
        place.declaration.write_text(yaml.safe_dump(declaration(place.stack, lab)))
        environment = {**place.environment, **json.loads(place.vdc("env", "-o", "json").stdout)}
        pulumi = shutil.which("pulumi", path=environment["PATH"])
        assert pulumi is not None
        begun = time.monotonic()
        with subprocess.Popen(
            [*place.prefix, pulumi, "up", "--yes", "--skip-preview"],
            cwd=place.root,
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
    return Run(ready - begun, done - begun)


def plain() -> Run:
    """One run of the script."""
    nomad = paths(Home.of_user()).nomad
    with libvirt_lab() as lab:
        uris = [host.lxc for host in lab.hosts]
        words = ("sh", str(SCRIPT), str(lab.folder / "plain"), str(machine_image().root), SIDE)
        begun = time.monotonic()
        with subprocess.Popen(
            lab.command(*words, str(NODES), *uris),
            env={"PATH": f"{nomad.parent}:{os.environ['PATH']}", "HOME": str(lab.folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as script:
            assert script.stdout is not None
            assert script.stdout.readline() == "ready\n"
            ready = time.monotonic()
    return Run(ready - begun, ready - begun)


def main() -> None:
    """Prints each run and the verdict; exit code 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each")
    parser.add_argument("--only", choices=("ours", "plain"), help="one of the two")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("the lab's namespaces are made by root")
    machine_image()
    kinds = {"pulumi up": ours, "plain virsh": plain}
    if arguments.only:
        wanted = "pulumi up" if arguments.only == "ours" else "plain virsh"
        kinds = {wanted: kinds[wanted]}
    runs: dict[str, list[Run]] = {name: [] for name in kinds}
    for number in range(arguments.runs):
        for name, once in kinds.items():
            runs[name].append(run := once())
            print(f"{number + 1} {name:12} {run.ready:6.2f} s ready, {run.done:6.2f} s done")
    medians = {name: statistics.median(run.ready for run in made) for name, made in runs.items()}
    for name, median in medians.items():
        print(f"median {name:12} {median:6.2f} s")
    print(f"goal: at most {MOST_S:.0f} s")
    sys.exit(medians.get("pulumi up", 0) > MOST_S)


if __name__ == "__main__":
    main()
