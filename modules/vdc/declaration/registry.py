"""What the declaration knows of each kind of site."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from vdc.declaration import addresses, certificate, cloud, forms, keys, os, release
from vdc.declaration.kinds import NAMES
from vdc.declaration.site import Kind


def _load(name: str) -> Kind[Any]:
    kind: Kind[Any] = import_module(f"vdc.declaration.sites.{name}").KIND
    return kind


KINDS = {name: _load(name) for name in NAMES}

FORMS = {
    form.name: form
    for some in (
        *(module.FORMS for module in (forms, addresses, certificate, cloud, keys, os, release)),
        *(kind.forms for kind in KINDS.values()),
    )
    for form in some
}
"""Every form in which a value can be declared, by the name that the schema gives it."""
