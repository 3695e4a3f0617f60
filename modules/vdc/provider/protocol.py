"""Pulumi's generated protocol without its SDK, for a process that is started at every command.

Importing anything below ``pulumi`` imports all of it: the Automation API, OpenTelemetry, YAML. A
provider needs the generated modules alone, and half of its start was spent on the rest.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec

_PACKAGES = ("pulumi", "pulumi.runtime")


def without_sdk() -> None:
    """Puts empty packages in the places of the SDK's, below which the protocol is still found.

    For a process of its own, in which the SDK itself cannot be used. Where that is imported, as in
    a standby, nothing is to be gained any more.
    """
    if _PACKAGES[0] in sys.modules:
        return
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is None:
            raise ModuleNotFoundError(name=name)
        sys.modules[name] = module_from_spec(spec)
