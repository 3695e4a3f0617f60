"""A plan for people and for programs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rich.table import Table

from vdc.plan.model import MHZ_PER_CORE, NodeGroup, Plan, Size

_ROLES = {"server": "control", "client": "work"}


def document(plan: Plan) -> dict[str, Any]:
    """The plan ready for JSON. Field names are stable; money is exact decimal text.

    ``capacity`` is what is offered to work, so that of servers is zero. Machines of a group are
    named ``<prefix>-0`` up to ``<prefix>-<machines - 1>``, or by ``members`` where there are any;
    ``<prefix>-`` and the cloud's own ID for each where ``named`` is false.
    """
    return {
        "name": plan.name,
        "currency": plan.currency,
        "control_site": plan.control.site,
        "control_addresses": list(plan.control.addresses),
        "endpoint": list(plan.control.endpoint),
        "groups": [_group(group) for group in plan.groups],
        "egress": [
            {"site": site.name, "price_per_hour": _exact(site.egress_price)}
            for site in plan.sites
            if site.egress_price is not None
        ],
        "apps": [{"name": app.name, "package": app.package} for app in plan.apps],
        "total": {
            "machines": _machines(plan),
            "servers": _machines(plan, "server"),
            "workers": _machines(plan, "client"),
            "capacity": _size(plan.capacity),
            "price_per_hour": _exact(plan.price_per_hour),
            "unpriced": [_label(group) for group in plan.unpriced],
        },
    }


def table(plan: Plan) -> Table:
    """The plan as a table: a row per group, then the total."""
    made = Table(
        title=f"Data centre {plan.name}",
        caption="\n".join(_notes(plan)),
        title_justify="left",
        caption_justify="left",
        show_footer=True,
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    made.add_column("Site", "Total")
    made.add_column("Group")
    made.add_column("Role")
    made.add_column("Machines", f"{_machines(plan):,}", justify="right")
    for heading, total in zip(("Cores", "Memory", "Disk"), _offer(plan.capacity), strict=True):
        made.add_column(heading, total, justify="right")
    made.add_column(f"{plan.currency}/hour", _exact(plan.price_per_hour), justify="right")
    for group in plan.groups:
        offer = _offer(group.capacity) if group.role == "client" else ("-", "-", "-")
        price = _price_of(group) or "-"
        count = f"{group.count:,}" + (f" to {group.most:,}" if group.most > group.count else "")
        made.add_row(group.site, group.name, _ROLES[group.role], count, *offer, price)
    for site in plan.sites:
        if site.egress_price is not None:
            none = ("-",) * 4
            made.add_row(site.name, "", "way out", *none, _exact(site.egress_price))
    return made


def summary(plan: Plan) -> str:
    """The plan in half a line: ``4 machines: 1 server, 3 workers; 6 cores, ...``."""
    servers, workers = _machines(plan, "server"), _machines(plan, "client")
    machines = (
        f"{_count(servers + workers, 'machine')}: {_count(servers, 'server')}, "
        f"{_count(workers, 'worker')}"
    )
    cores, memory, disk = _offer(plan.capacity)
    capacity = f"{cores} core{'' if cores == '1' else 's'}, {memory} memory, {disk} disk"
    price = f"{_exact(plan.price_per_hour)} {plan.currency}/hour"
    parts = (machines, capacity if workers else "", price if plan.price_per_hour else "")
    return "; ".join(part for part in parts if part)


def _group(group: NodeGroup) -> dict[str, Any]:
    return {
        "site": group.site,
        "kind": group.kind,
        "group": group.name,
        "role": group.role,
        "machines": group.count,
        "most_machines": group.most,
        "prefix": group.prefix,
        "members": list(group.members),
        "named": group.named,
        "size": _size(group.size),
        "capacity": _size(group.capacity),
        "labels": dict(group.labels),
        "drain_deadline_s": group.drain_deadline_s,
        "price_per_machine_hour": None if group.price is None else _exact(group.price),
        "price_per_hour": _price_of(group),
    }


def _size(size: Size) -> dict[str, int]:
    return {"cpu_mhz": size.cpu_mhz, "memory_mib": size.memory_mib, "disk_mib": size.disk_mib}


def _machines(plan: Plan, role: str | None = None) -> int:
    return sum(group.count for group in plan.groups if role in (None, group.role))


def _label(group: NodeGroup) -> str:
    return f"{group.site}/{group.name}"


def _notes(plan: Plan) -> list[str]:
    notes = [
        "",
        "Cores, memory and disk are what a group offers to work.",
        f"Machines are named {plan.name}-SITE-GROUP-NUMBER, counted from 0.",
    ]
    others = [
        *(["the name that the site gives them"] if any(g.members for g in plan.groups) else []),
        *([] if all(g.named for g in plan.groups) else ["the ID that their cloud gives them"]),
    ]
    if others:
        notes[-1] = (
            f"Machines are named {plan.name}-SITE-GROUP- and their number, counted from 0, "
            f"or {', or '.join(others)}."
        )
    if plan.unpriced:
        names = ", ".join(_label(group) for group in plan.unpriced)
        notes.append(f"Without a price, and so not in the total: {names}.")
    if plan.apps:
        apps = ", ".join(f"{app.name} ({app.package})" for app in plan.apps)
        notes.append(f"Apps: {apps}.")
    return notes


def _price_of(group: NodeGroup) -> str | None:
    return None if group.price is None else _exact(group.price * group.count)


def _exact(amount: Decimal) -> str:
    return format(amount, "f")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _offer(size: Size) -> tuple[str, str, str]:
    cores = Decimal(size.cpu_mhz) / MHZ_PER_CORE
    return f"{cores:,f}", _binary(size.memory_mib), _binary(size.disk_mib)


def _binary(mib: int) -> str:
    """The largest unit of which there is at least one, with at most one decimal."""
    for unit, factor in (("TiB", 2**20), ("GiB", 2**10)):
        if mib >= factor:
            return f"{round(mib / factor, 1):g} {unit}"
    return f"{mib} MiB"
