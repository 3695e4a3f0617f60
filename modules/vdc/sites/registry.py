"""Kinds of sites to their components, imported only when a declaration names the kind."""

from __future__ import annotations

import importlib

from vdc.errors import StackError
from vdc.sites.site import Site


def component(kind: str) -> type[Site]:
    """The component of a registered kind: ``COMPONENT`` of the kind's module in this layer.

    Raises:
        StackError: The kind's SDK is not installed; the text names the extra that brings it.
    """
    try:
        found: type[Site] = importlib.import_module(f"vdc.sites.{kind}").COMPONENT
    except ModuleNotFoundError as error:
        raise StackError(
            f"sites of kind {kind} need the Python package {error.name}; "
            f"install it with: pip install 'vdc[{kind}]'"
        ) from error
    return found
