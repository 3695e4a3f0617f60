"""Who reaches machines in a cloud, in no cloud's own words."""

from __future__ import annotations

import pulumi

from vdc.bootstrap import layout

SIGN_IN = 22
DIALLED = (layout.PORTS.http, layout.PORTS.rpc, layout.POOL_PORT)
"""What others dial at control servers; each of them asks for a certificate or shows one."""

EVERYWHERE_IPV4 = "0.0.0.0/0"
EVERYWHERE_IPV6 = "::/0"


def once_all_are_there(
    wanted: pulumi.Output[str], *others: pulumi.Output[str]
) -> pulumi.Output[str]:
    """A value that others wait for until the rest of what belongs to it is made as well."""
    return pulumi.Output.all(wanted, *others).apply(lambda known: str(known[0]))
