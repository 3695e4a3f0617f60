"""Nodes in an OpenStack cloud: the group's resource, and what was left behind."""

from __future__ import annotations

from vdc.provider.drivers.backend import Backend
from vdc.provider.drivers.openstack.driver import OpenstackDriver
from vdc.provider.drivers.openstack.group import OpenstackNodeGroup
from vdc.provider.drivers.openstack.inventory import found, left, remove
from vdc.provider.drivers.openstack.preflight import preflight
from vdc.provider.drivers.openstack.reaping import owners, reap

__all__ = ["BACKEND", "GROUP", "OpenstackDriver", "OpenstackNodeGroup", "owners", "reap"]

GROUP = OpenstackNodeGroup
BACKEND = Backend(preflight, found, remove, left)
