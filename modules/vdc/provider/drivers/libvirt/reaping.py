"""Nodes that no state records any more: found by this user's ledgers, removed by their marks."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from vdc.errors import NodeError
from vdc.provider.drivers.libvirt import hosts, ledger
from vdc.provider.drivers.libvirt.clearing import clear
from vdc.provider.drivers.libvirt.hosts import Host, HostError
from vdc.provider.drivers.libvirt.ledger import Ledger
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.removal import remove
from vdc.provider.drivers.libvirt.survey import survey


def owners(stack: str) -> set[str]:
    """The owners of a stack's nodes, as far as this user has made them."""
    return {known.owner for _, known in ledger.all_of(stack)}


async def reap(stack: str, keep: Collection[str], forget_silent: bool = False) -> list[str]:
    """Removes a stack's nodes whose owner is not to be kept; returns their names.

    Only for what no state records any more: nothing is drained.

    Raises:
        NodeError: A host does not answer; what is on it is remembered for the next time, unless
            ``forget_silent``.
    """
    gone: list[str] = []
    problems: list[str] = []
    for file, known in ledger.all_of(stack):
        if known.owner in keep:
            continue
        failed = len(problems)
        for name, host in sorted(known.hosts.items()):
            place = hosts.host(host.spec(name))
            try:
                gone += await place.run(partial(_reap, known))
            except NodeError as error:
                if not (forget_silent and isinstance(error, HostError)):
                    problems.append(str(error))
        if len(problems) == failed:
            ledger.save(file, Ledger(realm=known.realm, owner=known.owner))
    if problems:
        raise NodeError("\n".join(problems))
    return gone


def _reap(known: Ledger, host: Host) -> list[str]:
    names = Names(known.realm)
    seen = survey(host, names, names.nodes)
    ours = {node.name for node in seen.found if node.mark.owner == known.owner}
    ours |= {name for name in seen.leftovers if name in known.nodes}
    for name in sorted(ours):
        remove(host, names, known.owner, name)
    clear(host, names)
    return sorted(ours)
