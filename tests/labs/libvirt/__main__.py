"""The lab by hand: ``python -m labs.libvirt up|down|status [--name NAME]``, from ``tests/``."""

from __future__ import annotations

import argparse

from labs.images import machine_image, sha256
from labs.libvirt.lab import SIDE, Lab, labs


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m labs.libvirt", description=__doc__)
    parser.add_argument("what", choices=("up", "down", "status"))
    parser.add_argument("--name", default="hand", help="of the lab; several live side by side")
    arguments = parser.parse_args()
    lab = Lab(arguments.name)
    match arguments.what:
        case "up":
            _up(lab)
        case "down":
            lab.down()
            print(f"lab {lab.name} is gone")
        case "status":
            for each in labs():
                print(each.name, *(f"{host.name}:{_state(host.up)}" for host in each.hosts))


def _state(up: bool) -> str:
    return "up" if up else "down"


def _up(lab: Lab) -> None:
    image = machine_image()
    lab.up()
    for host in lab.hosts:
        print(f"host {host.name}  {host.address}  identity {host.identity}")
        print(f"  {host.lxc}\n  {host.qemu}")
    print(f"image for QEMU  {image.disk}\n  sha256 {sha256(image.disk)}")
    print(f"image for LXC   {image.root}\n  sha256 {sha256(image.root)}")
    print(f"this side is {SIDE}: {' '.join(lab.command('COMMAND'))}")


if __name__ == "__main__":
    main()
