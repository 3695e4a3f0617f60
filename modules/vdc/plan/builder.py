"""From a declaration to its plan."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vdc.declaration import Declaration
from vdc.declaration.forms import Quantity
from vdc.declaration.model import Control as DeclaredControl
from vdc.declaration.rules import CONTROL_GROUP, node_prefix
from vdc.declaration.site import Group as DeclaredGroup
from vdc.declaration.site import Site as DeclaredSite
from vdc.declaration.site import Size as DeclaredSize
from vdc.plan.model import MHZ_PER_CORE, App, Control, NodeGroup, Plan, Site, Size

_MIB = 2**20


def plan(declaration: Declaration) -> Plan:
    """The machines, groups, prices and apps of a sound declaration.

    Equal declarations give equal plans. The control servers come out as the first group of
    the site that ``control`` names.
    """
    return Plan(
        name=declaration.name,
        currency=declaration.currency,
        sites=tuple(_site(declaration, name, site) for name, site in declaration.sites.items()),
        apps=tuple(
            App(name, app.package, _canonical(app.options))
            for name, app in declaration.apps.items()
        ),
        control=_control(declaration),
    )


def _control(declaration: Declaration) -> Control:
    declared = declaration.control
    addresses = declared.addresses or declaration.sites[declared.site].server_addresses or ()
    release = declared.release
    return Control(
        declared.site,
        declared.servers,
        addresses,
        declared.endpoint or addresses,
        (release.url, release.sha256) if release else (),
    )


def _site(declaration: Declaration, name: str, site: DeclaredSite) -> Site:
    groups = [
        _work_group(declaration.name, name, site, group_name, group)
        for group_name, group in site.groups.items()
    ]
    if name == declaration.control.site:
        groups.insert(0, _control_group(declaration.name, site, declaration.control))
    declared = site.model_dump(mode="json", by_alias=True)
    return Site(name, site.kind, tuple(groups), _canonical(declared), site.standing_price)


def _work_group(
    datacentre: str, site: str, declared: DeclaredSite, name: str, group: DeclaredGroup
) -> NodeGroup:
    return NodeGroup(
        name=name,
        site=site,
        kind=declared.kind,
        role="client",
        count=group.machine_count,
        size=_size(group.size),
        labels=tuple(sorted(group.labels.items())),
        price=group.price,
        drain_deadline_s=group.drain.deadline.amount,
        prefix=node_prefix(datacentre, site, name),
        members=group.members,
        most=group.most_machines,
        named=declared.names_machines,
    )


def _control_group(datacentre: str, site: DeclaredSite, control: DeclaredControl) -> NodeGroup:
    return NodeGroup(
        name=CONTROL_GROUP,
        site=control.site,
        kind=site.kind,
        role="server",
        count=control.servers,
        size=_size(control.size),
        labels=(),
        price=control.price,
        drain_deadline_s=0,  # servers run no work that could move
        prefix=node_prefix(datacentre, control.site, CONTROL_GROUP),
        members=site.server_members,
    )


def _size(size: DeclaredSize) -> Size:
    return Size(int(size.cpu * MHZ_PER_CORE), _mib(size.memory), _mib(size.disk))


def _mib(quantity: Quantity) -> int:
    """Rounded up: a machine has at least what was asked for."""
    return -(-quantity.amount // _MIB)


def _canonical(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
