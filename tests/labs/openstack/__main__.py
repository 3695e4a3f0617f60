"""The lab by hand: ``python -m labs.openstack up|down|status [--name NAME]``, from ``tests/``."""

from __future__ import annotations

import argparse

from labs.openstack.lab import SIDE, Lab, labs


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m labs.openstack", description=__doc__)
    parser.add_argument("what", choices=("up", "down", "status"))
    parser.add_argument("--name", default="hand", help="of the lab; several live side by side")
    arguments = parser.parse_args()
    lab = Lab(arguments.name)
    match arguments.what:
        case "up":
            lab.up()
            print(f"export OS_CLIENT_CONFIG_FILE={lab.clouds} OS_CLOUD=lab")
            print(f"this side is {SIDE}: {' '.join(lab.command('COMMAND'))}")
        case "down":
            lab.down()
            print(f"lab {lab.name} is gone")
        case "status":
            for each in labs():
                print(each.name, each.folder)


if __name__ == "__main__":
    main()
