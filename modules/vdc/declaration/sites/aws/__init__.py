"""The kind ``aws``: machines are instances in Auto Scaling groups of Amazon's cloud."""

from __future__ import annotations

from vdc.declaration import machine
from vdc.declaration.site import Kind
from vdc.declaration.sites.aws.model import FORMS, AwsGroup, AwsSite, Network, Spot

__all__ = ["KIND", "AwsGroup", "AwsSite", "Network", "Spot"]

KIND = Kind(
    name="aws",
    site=AwsSite,
    forms=FORMS,
    rules={
        "proxy_is_named": lambda name, site, _: machine.proxy_is_named(name, site),
    },
)
