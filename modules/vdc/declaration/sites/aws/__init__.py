"""The kind ``aws``: machines are instances in Auto Scaling groups of Amazon's cloud."""

from __future__ import annotations

from vdc.declaration import cloud_rules
from vdc.declaration.site import Kind
from vdc.declaration.sites.aws import rules
from vdc.declaration.sites.aws.hook import drain_fits_the_hook
from vdc.declaration.sites.aws.model import FORMS, AwsGroup, AwsSite, Network, Spot

__all__ = ["KIND", "AwsGroup", "AwsSite", "Network", "Spot"]

KIND = Kind(
    name="aws",
    site=AwsSite,
    forms=FORMS,
    rules={
        **cloud_rules.RULES,
        "instance_type_is_for_servers": rules.instance_type_is_for_servers,
        "servers_are_in_their_subnets": rules.servers_are_in_their_subnets,
        "network_is_one_thing": lambda name, site, _: rules.network_is_one_thing(name, site),
        "subnets_differ": lambda name, site, _: rules.subnets_differ(name, site),
        "egress_fits_its_network": lambda name, site, _: rules.egress_fits_its_network(name, site),
        "zones_have_subnets": lambda name, site, _: rules.zones_have_subnets(name, site),
        "zones_are_in_the_region": lambda name, site, _: rules.zones_are_in_the_region(name, site),
        "zones_differ": lambda name, site, _: rules.zones_differ(name, site),
        "subnets_have_room": lambda name, site, _: rules.subnets_have_room(name, site),
        "machines_fit_their_network": rules.machines_fit_their_network,
        "image_is_known": lambda name, site, _: rules.image_is_known(name, site),
        "instance_types_fit_their_system": lambda name, site, _: (
            rules.instance_types_fit_their_system(name, site)
        ),
        "some_are_of_the_market": lambda name, site, _: rules.some_are_of_the_market(name, site),
        "drain_fits_the_hook": lambda name, site, _: drain_fits_the_hook(name, site),
        "key_is_taken": lambda name, site, _: rules.key_is_taken(name, site),
    },
    between={"networks_differ": rules.networks_differ},
)
