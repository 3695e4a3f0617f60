"""Seconds from `pulumi up` to four ready containers on two libvirt hosts, beside plain `virsh`.

``python tests/bench/libvirt_time.py [--runs 3]``, as root, alternates between the two, each time in
a fresh lab, and prints the median of each. ``plain_virsh.sh`` does the same by hand: one Nomad
server on this side of the lab network, the image written to both hosts, four containers that
cloud-init turns into agents. Both are over when the scheduler says that four nodes are ready. For
ours the time to the end of the command, when the pool API answers too, is printed beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import yaml

from e2e.checkout import checkout
from labs.images import machine_image, sha256
from labs.lab import SIDE
from labs.libvirt import Lab, libvirt_lab
from measured import Run, by_turns, plain_script, pulumi_up

NODES = 4
MOST_S = 60.0
SCRIPT = Path(__file__).with_name("plain_virsh.sh")


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
        return pulumi_up(place, "NodeGroup rack-workers")


def plain() -> Run:
    """One run of the script."""
    with libvirt_lab() as lab:
        uris = [host.lxc for host in lab.hosts]
        words = ("sh", str(SCRIPT), str(lab.folder / "plain"), str(machine_image().root), SIDE)
        return plain_script(lab.command(*words, str(NODES), *uris), lab.folder)


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
    medians = by_turns(kinds, arguments.runs)
    print(f"goal: at most {MOST_S:.0f} s")
    sys.exit(medians.get("pulumi up", 0) > MOST_S)


if __name__ == "__main__":
    main()
