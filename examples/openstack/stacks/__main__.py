"""The Pulumi program of every stack: ``stacks/<stack>.yaml`` becomes real.

Stack ``local`` is declared by ``stacks/local.yaml``, and so on. For a program of your own, import
``vdc`` and use the same two calls.
"""

from __future__ import annotations

from pathlib import Path

import pulumi

import vdc
from vdc.errors import VdcError

try:
    stack = pulumi.get_stack()
    datacenter = vdc.Datacenter(vdc.load(Path(__file__).with_name(f"{stack}.yaml")))
except VdcError as error:
    raise pulumi.RunError(str(error)) from None

pulumi.export("api", datacenter.api)
pulumi.export("console", datacenter.console)
pulumi.export("ca_file", datacenter.ca_file)
pulumi.export("token", f"vdc token --stack {stack}")
