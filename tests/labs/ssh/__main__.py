"""``python -m labs.ssh up|down``, from tests/: the lab by hand."""

import argparse
import sys
import tempfile
from pathlib import Path

import yaml

from labs.ssh.lab import Lab


def main() -> None:
    """Starts the lab and says how to use it, or ends it."""
    parser = argparse.ArgumentParser(prog="python -m labs.ssh")
    parser.add_argument("what", choices=["up", "down"])
    parser.add_argument("--machines", type=int, default=1, metavar="N", help="without systemd")
    parser.add_argument("--systemd", type=int, default=1, metavar="N", help="more, with systemd")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "vdc-lab-ssh")
    words = parser.parse_args()
    lab = Lab(words.folder, words.machines, words.systemd)
    if words.what == "down":
        lab.down()
        return
    if lab.pid():
        sys.exit(f"a lab runs in {words.folder}; end it with: python -m labs.ssh down")
    lab.up()
    print("# The lab's network, for vdc and everything else of this side:")
    print(f"#   nsenter --net=/proc/{lab.pid()}/ns/net -- bash")
    print(f"# A machine from inside: nsenter -a -t {lab.pid(lab.names[0])} -- sh")
    declared = {name: lab.declared(name) for name in lab.names}
    print(yaml.safe_dump({"key": str(lab.key), "machines": declared}, sort_keys=False))


main()
