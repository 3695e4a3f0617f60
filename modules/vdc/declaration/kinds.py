"""The kinds of sites there are, by name. Every other list of kinds is derived from this one.

Apart from the models: a program that only dispatches on a kind starts without them.
"""

from __future__ import annotations

NAMES = ("local", "libvirt", "ssh", "openstack", "aws")
"""One entry per kind; the kind's module has this name in every layer that knows kinds."""
