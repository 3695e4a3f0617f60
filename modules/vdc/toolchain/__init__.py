"""The programs that vdc runs and no Python index carries: the Pulumi CLI and Nomad.

``engine_path`` and ``paths`` say where they are, ``vdc.toolchain.status`` what there is, and
``vdc.toolchain.install`` obtains them.
"""

from vdc.toolchain.found import Found, Paths, engine_path, paths

__all__ = ["Found", "Paths", "engine_path", "paths"]
