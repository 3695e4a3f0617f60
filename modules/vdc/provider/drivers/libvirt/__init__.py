"""Nodes on hosts that run libvirt: the group's resource, and what a killed run left."""

from __future__ import annotations

from vdc.provider.drivers.libvirt.driver import LibvirtDriver
from vdc.provider.drivers.libvirt.group import LibvirtNodeGroup
from vdc.provider.drivers.libvirt.reaping import owners, reap

__all__ = ["GROUP", "LibvirtDriver", "LibvirtNodeGroup", "owners", "reap"]

GROUP = LibvirtNodeGroup
