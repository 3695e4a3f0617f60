"""The kind ``openstack``: machines are servers of a private cloud."""

from __future__ import annotations

from vdc.declaration import machine
from vdc.declaration.site import Kind
from vdc.declaration.sites.openstack.model import FORMS, Network, OpenstackGroup, OpenstackSite

__all__ = ["KIND", "Network", "OpenstackGroup", "OpenstackSite"]

KIND = Kind(
    name="openstack",
    site=OpenstackSite,
    forms=FORMS,
    rules={
        "proxy_is_named": lambda name, site, _: machine.proxy_is_named(name, site),
    },
)
