"""Nova's hypervisor in the lab: its own fake one, on hosts that stay the same, with faults."""

import os
import sys
import time
import uuid
from pathlib import Path

from nova import exception
from nova.virt import fake

# Last, so that no folder of the tests takes the place of a module of nova's.
sys.path.append(str(Path(__file__).parents[3]))

from labs.cloud_faults import Fault, next_for

_FAULTS = Path(os.environ["VDC_LAB_FAULTS"])


class Hypervisor(fake.FakeDriver):
    """Starts nothing; what the API then shows as running, the lab boots."""

    def get_nodenames_by_uuid(self, refresh=False):
        """Nodes by an identity that another process would know again."""
        return {_identity(name): name for name in self.get_available_nodes()}

    def get_available_resource(self, nodename):
        """What the fake one says, under that identity."""
        return {**super().get_available_resource(nodename), "uuid": _identity(nodename)}

    def spawn(self, context, instance, *arguments, **options):
        """Starts a server, unless a fault is asked for."""
        match next_for(_FAULTS, f"SPAWN {instance.display_name}"):
            case Fault(does="delay", seconds=seconds):
                time.sleep(seconds)
            case Fault():
                raise exception.BuildAbortException(
                    instance_uuid=instance.uuid, reason="the lab was asked to fail it"
                )
        return super().spawn(context, instance, *arguments, **options)

    def get_console_output(self, context, instance):
        """What the node has written that the lab boots for the server."""
        console = _FAULTS.parent / "nodes" / instance.uuid / "console"
        return console.read_bytes() if console.exists() else b""


def _identity(node):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, node))
