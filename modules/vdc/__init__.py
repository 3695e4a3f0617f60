"""vdc: a whole data centre as one declaration and one pool.

The public Python API, for a Pulumi program of one's own::

    import vdc

    vdc.Datacenter(vdc.load("stacks/local.yaml"))
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Datacenter", "__version__", "load"]

# As in `typing`, which takes longer to import than all that some processes need.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from vdc.declaration import load
    from vdc.sites.datacenter import Datacenter


def __getattr__(name: str) -> Any:
    """Both names on first use: most commands of ``vdc`` need neither Pulumi nor the models."""
    if name == "Datacenter":
        from vdc.sites.datacenter import Datacenter

        return Datacenter
    if name == "load":
        from vdc.declaration import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
