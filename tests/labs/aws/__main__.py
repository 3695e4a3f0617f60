"""The lab by hand: ``python -m labs.aws up|down|status [--name NAME]``, from ``tests/``."""

from __future__ import annotations

import argparse

from labs.aws.lab import Lab, labs
from labs.aws.settings import ACCOUNT, REGION, SIDE


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m labs.aws", description=__doc__)
    parser.add_argument("what", choices=("up", "down", "status"))
    parser.add_argument("--name", default="hand", help="of the lab; several live side by side")
    arguments = parser.parse_args()
    lab = Lab(arguments.name)
    match arguments.what:
        case "up":
            lab.up()
            print(f"# account {ACCOUNT}, region {REGION}; this side is {SIDE}")
            print(f"# identity: {lab.authority.folder / 'identity.pem'}")
            for name, value in lab.environment.items():
                if name == "PATH" or name.startswith("AWS_"):
                    print(f"export {name}={value}")
            print(f"{' '.join(lab.command('COMMAND'))}")
        case "down":
            lab.down()
            print(f"lab {lab.name} is gone")
        case "status":
            for each in labs():
                print(each.name, each.folder)


if __name__ == "__main__":
    main()
