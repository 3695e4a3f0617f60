"""The lab by hand: ``python -m labs.libvirt up|down|status [--name NAME]``, from ``tests/``."""

from labs.libvirt.lab import Lab

Lab.main()
