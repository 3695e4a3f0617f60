"""``python -m vdc.toolchain.program ENGINE``: what a language host of ours starts for a program.

See :mod:`vdc.toolchain.runner`, which is imported in the engine's standby where there is one.
"""

from __future__ import annotations

from vdc.standby.run import run

if __name__ == "__main__":
    run("vdc.toolchain.runner")
