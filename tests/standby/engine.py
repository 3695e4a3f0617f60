"""``python engine.py COMMAND``: as much of an engine as a standby and its forks see of one.

Reads what to do as JSON, a line each: to start a child, which is answered with its number, or to
wait for the end of one, which is answered with its exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

children: dict[int, subprocess.Popen[bytes]] = {}
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(children[asked["wait"]].wait(), flush=True)
        continue
    out = Path(asked["out"])
    with out.open("wb") as file, out.with_suffix(".error").open("wb") as errors:
        child = subprocess.Popen(
            asked["words"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=errors,
            env={**os.environ, **asked["environment"]},
            process_group=0,  # as an engine starts its plugins
        )
    children[child.pid] = child
    print(child.pid, flush=True)
