"""Seconds from `pulumi up` to three ready nodes, beside a shell script that does the same.

``python tests/bench/time_to_pool.py [--runs 5]`` alternates between the two and prints the median
of each and their ratio. The script (``plain_cluster.sh``) starts the same Nomad cluster with the
same TLS, gossip key, ACL and strict introduction. Both are over when the scheduler says that
three nodes are ready: the script asks it every 0.1 s; our provider says that the group is made
when the scheduler's blocking query has said it of every node, which is checked once more after
the run. The time to the end of the command, when the pool API answers too, is printed beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from e2e.checkout import checkout
from measured import Run, by_turns, plain_script, pulumi_up
from vdc.provider.slots import choose

MOST_TIMES = 1.5
SCRIPT = Path(__file__).with_name("plain_cluster.sh")


def ours() -> Run:
    """One `pulumi up` of a fresh stack; what `vdc env` prepares is prepared before."""
    with checkout("bench") as place:
        run = pulumi_up(place, "NodeGroup here-workers")
        assert sorted(place.registered().items()) == [(name, "ready") for name in place.names(3)]
    return run


def plain() -> Run:
    """One run of the script."""
    with (
        tempfile.TemporaryDirectory(prefix="plain-", dir="/tmp") as folder,
        closing(choose(folder, ())) as held,
    ):
        http = str(held.slot.ports.http)
        return plain_script(("sh", str(SCRIPT), folder, http), Path(folder))


def main() -> None:
    """Prints each run and the verdict; exit code 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each")
    kinds = {"pulumi up": ours, "plain script": plain}
    medians = by_turns(kinds, parser.parse_args().runs)
    ratio = medians["pulumi up"] / medians["plain script"]
    print(f"ratio {ratio:.2f}, goal at most {MOST_TIMES}")
    sys.exit(ratio > MOST_TIMES)


if __name__ == "__main__":
    main()
