"""The kind ``libvirt``: machines are domains on hosts that run libvirt."""

from __future__ import annotations

from vdc.declaration import machine
from vdc.declaration.os import os_has_an_image, os_image_is_verified, os_is_known
from vdc.declaration.site import Kind
from vdc.declaration.sites.libvirt import rules
from vdc.declaration.sites.libvirt.model import FORMS, Host, LibvirtGroup, LibvirtSite, Network

__all__ = ["KIND", "Host", "LibvirtGroup", "LibvirtSite", "Network"]

KIND = Kind(
    name="libvirt",
    site=LibvirtSite,
    forms=FORMS,
    rules={
        "proxy_is_named": lambda name, site, _: machine.proxy_is_named(name, site),
        "egress_is_of_a_network_of_ours": lambda name, site, _: (
            rules.egress_is_of_a_network_of_ours(name, site)
        ),
        "pool_is_inside_without_egress": rules.pool_is_inside_without_egress,
        "os_is_known": lambda name, site, _: rules.every_os(os_is_known, name, site),
        "os_has_an_image": lambda name, site, _: rules.every_os(os_has_an_image, name, site),
        "os_image_is_verified": lambda name, site, _: rules.every_os(
            os_image_is_verified, name, site
        ),
        "network_is_one_thing": lambda name, site, _: rules.network_is_one_thing(name, site),
        "ignition_needs_virtual_machines": lambda name, site, whole: (
            rules.ignition_needs_virtual_machines(name, site, control=whole.control.site == name)
        ),
        "machines_have_a_host": lambda name, site, whole: rules.machines_have_a_host(
            name, site, control=whole.control.site == name
        ),
        "hosts_reach_each_other": lambda name, site, _: rules.hosts_reach_each_other(name, site),
        "os_carries_control": rules.os_carries_control,
        "servers_stand_apart": rules.servers_stand_apart,
        "control_is_reached": rules.control_is_reached,
        "servers_are_in_their_network": rules.servers_are_in_their_network,
    },
    between={
        "hosts_differ": rules.hosts_differ,
        "networks_differ": rules.networks_differ,
    },
)
