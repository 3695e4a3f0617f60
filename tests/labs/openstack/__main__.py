"""The lab by hand: ``python -m labs.openstack up|down|status [--name NAME]``, from ``tests/``."""

from labs.openstack.lab import Lab

Lab.main()
