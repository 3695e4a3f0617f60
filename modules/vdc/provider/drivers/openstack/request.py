"""What the cloud is asked for when a server is to be made. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from vdc.bootstrap.limits import checked
from vdc.provider.drivers.openstack.marks import Mark
from vdc.provider.drivers.openstack.model import Template

LONGEST_USER_DATA = 65_535
"""Bytes that OpenStack's compute service takes, counted after their encoding as base64."""
_MIB_PER_GB = 1024


@dataclass(frozen=True)
class Parts:
    """What the cloud has for one server, by its ids. ``port``: empty for one of the cloud's."""

    image: str
    flavor: str
    network: str
    port: str = ""


def request(
    template: Template, mark: Mark, parts: Parts, user_data: str, *, grouped: bool = True
) -> dict[str, Any]:
    """The attributes of a new server.

    Args:
        template: The group.
        mark: The server's.
        parts: See :class:`Parts`.
        user_data: What it does at its first boot.
        grouped: Whether the cloud is held to the wanted spread.

    Raises:
        NodeError: The user data is longer than what the cloud takes.
    """
    tags = dict(template.tags)
    where = f"group {tags.get('vdc-group', '')} of site {tags.get('vdc-site', '')}"
    text = checked(user_data, LONGEST_USER_DATA, where, encoded=True)
    wanted: dict[str, Any] = {
        "name": mark.node,
        "metadata": mark.metadata,
        "flavor_id": parts.flavor,
        "networks": [{"port": parts.port} if parts.port else {"uuid": parts.network}],
        "user_data": base64.b64encode(text.encode()).decode(),
        # So that a machine needs no metadata service, which many networks do not route to.
        "config_drive": True,
    }
    if template.boot == "volume":
        wanted["block_device_mapping"] = [_volume(template, parts.image)]
    else:
        wanted["image_id"] = parts.image
    if template.security_groups and not parts.port:
        wanted["security_groups"] = [{"name": one} for one in template.security_groups]
    if template.key_pair:
        wanted["key_name"] = template.key_pair
    if zone := template.zone(mark.node):
        wanted["availability_zone"] = zone
    if grouped and template.server_group:
        wanted["scheduler_hints"] = {"group": template.server_group}
    return wanted


def _volume(template: Template, image: str) -> dict[str, Any]:
    """A volume that comes and goes with its server."""
    return {
        "boot_index": 0,
        "source_type": "image",
        "uuid": image,
        "destination_type": "volume",
        "volume_size": -(-template.size.disk_mib // _MIB_PER_GB),
        "delete_on_termination": True,
    }
