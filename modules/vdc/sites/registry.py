"""Kinds of sites to their components, imported only when a declaration names the kind."""

from __future__ import annotations

import importlib

from vdc.errors import MissingExtraError
from vdc.sites.site import Site


def component(kind: str) -> type[Site]:
    """The component of a registered kind: ``COMPONENT`` of the kind's module in this layer.

    Raises:
        MissingExtraError: The kind's SDK is not installed; names the extra that brings it.
    """
    with MissingExtraError.named(kind):
        found: type[Site] = importlib.import_module(f"vdc.sites.{kind}").COMPONENT
    return found
