"""Kinds of sites to their components, imported only when a declaration names the kind."""

from __future__ import annotations

import importlib
from typing import Final

from vdc.errors import StackError
from vdc.sites.site import Site

COMPONENTS: Final = {
    "local": ("vdc.sites.local", "Local"),
}


def component(kind: str) -> type[Site]:
    """The component of a kind.

    Raises:
        StackError: The kind's SDK is not installed; the text names the extra that brings it.
    """
    module, name = COMPONENTS[kind]
    try:
        found: type[Site] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise StackError(
            f"sites of kind {kind} need the Python package {error.name}; "
            f"install it with: pip install 'vdc[{kind}]'"
        ) from error
    return found
