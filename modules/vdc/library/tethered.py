"""A Python module run as a program that ends when whoever started it has ended, killed or not.

``tethered.py MODULE ARGS...``, with a pipe from the starter as standard input: the pipe closes
with its holder, however that dies.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def _follow() -> None:
    os.read(0, 1)  # not sys.stdin, whose lock an ending interpreter wants
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_follow, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
