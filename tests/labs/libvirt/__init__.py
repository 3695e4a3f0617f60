"""Two machines with a real libvirtd each, on one bridged network, on this machine.

::

    with libvirt_lab() as lab:
        lab.a.lxc                      # lxc+unix:///system?socket=…
        lab.run("curl", "http://…")    # inside the lab network, as 10.88.0.254
"""

from labs.libvirt.host import Host
from labs.libvirt.lab import Lab, libvirt_lab

__all__ = ["Host", "Lab", "libvirt_lab"]
