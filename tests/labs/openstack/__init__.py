"""An OpenStack of its own for a test: real services on this machine, with no hypervisor.

::

    with openstack_lab() as lab, lab.network.entered(), lab.boots():
        lab.clouds                     # a clouds.yaml with the cloud `lab`
"""

from labs.openstack.lab import Lab, openstack_lab

__all__ = ["Lab", "openstack_lab"]
