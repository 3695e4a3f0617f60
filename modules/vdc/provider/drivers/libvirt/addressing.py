"""How a control server gets the address that others dial; pure."""

from __future__ import annotations

import ipaddress
import json


def network_config(mac: str, address: str) -> str:
    """NoCloud's ``network-config``: what DHCP gives, and the declared address beside it.

    As an address of no network the declared one needs nothing that the declaration does not say:
    neighbours reach it, and what goes out takes the routes of the other. Empty for a name, whose
    address its owner sees to.
    """
    try:
        own = ipaddress.ip_address(address)
    except ValueError:
        return ""
    interface = {
        "match": {"macaddress": mac},
        "dhcp4": True,
        "dhcp-identifier": "mac",
        "addresses": [f"{own}/{own.max_prefixlen}"],
    }
    # cloud-init reads YAML, of which this is some.
    return json.dumps({"version": 2, "ethernets": {"pool": interface}}, indent=1) + "\n"
