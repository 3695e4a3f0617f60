"""Machines that exist already as a site: each is taken in over SSH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vdc.declaration.sites.ssh import SshSite
from vdc.plan import model as plan
from vdc.sites.machines import MachineSite, surroundings


class Ssh(MachineSite):
    """An inventory of Linux machines, bare metal for one; none is made and none goes."""

    kind = "ssh"

    def template(self, group: plan.NodeGroup) -> Mapping[str, Any]:
        """How the group's machines are reached."""
        declared = SshSite.model_validate_json(self.site.declared)
        known = {name: declared.machines[name] for name in group.members}
        return {
            "inventory": [
                {
                    "name": name,
                    "address": machine.address,
                    "port": machine.port,
                    "user": machine.user,
                    "host_key": machine.host_key,
                }
                for name, machine in known.items()
            ],
            "identity_file": declared.key or "",
            **surroundings(declared),
        }


COMPONENT = Ssh
