"""The kind ``openstack``: machines are servers of a private cloud."""

from __future__ import annotations

from vdc.declaration import cloud_rules
from vdc.declaration.site import Kind
from vdc.declaration.sites.openstack import rules
from vdc.declaration.sites.openstack.model import FORMS, Network, OpenstackGroup, OpenstackSite

__all__ = ["KIND", "Network", "OpenstackGroup", "OpenstackSite"]

KIND = Kind(
    name="openstack",
    site=OpenstackSite,
    forms=FORMS,
    rules={
        **cloud_rules.RULES,
        "network_is_one_thing": lambda name, site, _: rules.network_is_one_thing(name, site),
        "egress_fits_its_network": lambda name, site, _: rules.egress_fits_its_network(name, site),
        "floating_addresses_have_a_source": lambda name, site, _: (
            rules.floating_addresses_have_a_source(name, site)
        ),
        "image_holds_its_system": lambda name, site, _: rules.image_holds_its_system(name, site),
        "flavor_is_for_servers": rules.flavor_is_for_servers,
        "zones_differ": lambda name, site, _: rules.zones_differ(name, site),
        "machines_fit_their_network": rules.machines_fit_their_network,
        "servers_are_in_their_network": rules.servers_are_in_their_network,
    },
    between={"networks_differ": rules.networks_differ},
)
