"""The kinds of sites there are. Every other list of kinds is derived from this one."""

from __future__ import annotations

from importlib import import_module

from vdc.declaration.site import Kind

NAMES = ("local",)
"""One entry per kind; the kind's module has this name in every layer that knows kinds."""


def _load(name: str) -> Kind:
    kind: Kind = import_module(f"vdc.declaration.sites.{name}").KIND
    return kind


KINDS = {name: _load(name) for name in NAMES}
