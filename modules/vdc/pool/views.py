"""From the service's picture to the API's answers. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vdc.client.models import (
    App,
    AppGroup,
    AppStatus,
    Endpoint,
    GroupUsage,
    Node,
    NodeCounts,
    PackageCommand,
    PackageDetail,
    PackageSummary,
    Pool,
    Progress,
    Resources,
    Run,
    RunState,
    SiteUsage,
    Usage,
)
from vdc.plan.model import Size
from vdc.pool.config import Group, PoolConfig, decimal_text
from vdc.pool.readmodel import NOTHING, ReadModel, Sums, state_of
from vdc.pool.records import AppRecord
from vdc.pool.software.spread import lacks
from vdc.pool.software.task import brings_software
from vdc.scheduler.model import SchedulerNode
from vdc.scheduler.outcome import Job, Placement, ServiceAddress

if TYPE_CHECKING:
    from vdc.library import Package

RUN_COMMAND = "vdc_command"
RUN_APP = "vdc_of"


def resources(size: Size) -> Resources:
    """A size as the API says it."""
    return Resources(cpu_mhz=size.cpu_mhz, memory_mib=size.memory_mib, disk_mib=size.disk_mib)


# --- capacity --------------------------------------------------------------------


def pool(config: PoolConfig, model: ReadModel, as_of: datetime | None, *, stale: bool) -> Pool:
    """The whole pool, by site and by group; costs as much as there are groups."""
    declared = {(group.site, group.node_class): group for group in config.groups}
    found = model.groups
    keys = sorted(declared.keys() | found.keys())
    parts = [(*key, found.get(key, Sums()), declared.get(key)) for key in keys]
    sites = sorted({site for site, _ in keys})
    return Pool(
        name=config.name,
        currency=config.currency,
        as_of=as_of,
        stale=stale,
        sites=tuple(
            SiteUsage(site=site, **_usage((s, g) for at, _, s, g in parts if at == site))
            for site in sites
        ),
        groups=tuple(
            GroupUsage(
                site=site, group=group.name if group else node_class, **_usage([(sums, group)])
            )
            for site, node_class, sums, group in parts
        ),
        **_usage((sums, group) for _, _, sums, group in parts),
    )


def _usage(parts: Iterable[tuple[Sums, Group | None]]) -> dict[str, Any]:
    whole, price, unpriced = Sums(), Decimal(0), 0
    for sums, group in parts:
        whole = whole.plus(sums)
        if group is None or group.price is None:
            unpriced += sums.up
        else:
            price += group.price * sums.up
    ready, draining, ineligible, down = whole.counts
    usage = Usage(
        total=resources(whole.total),
        allocated=resources(whole.allocated),
        free=resources(whole.free),
        nodes=NodeCounts(ready=ready, draining=draining, ineligible=ineligible, down=down),
        price_per_hour=decimal_text(price),
        unpriced=unpriced,
    )
    return dict(usage)


def nodes(config: PoolConfig, model: ReadModel) -> list[Node]:
    """Every node, by name."""
    declared = {(group.site, group.node_class): group for group in config.groups}
    known = sorted(model.nodes.values(), key=lambda node: node.name)
    return [_node(node, declared.get((node.datacenter, node.node_class)), model) for node in known]


def _node(node: SchedulerNode, group: Group | None, model: ReadModel) -> Node:
    state = state_of(node)
    return Node(
        name=node.name,
        id=node.id,
        site=node.datacenter,
        group=group.name if group else node.node_class,
        status=state,
        address=node.address,
        capacity=resources(Size(node.cpu_mhz, node.memory_mib, node.disk_mib)),
        allocated=resources(NOTHING if state == "down" else model.allocated_on(node.id)),
        price_per_hour=decimal_text(group.price) if group and group.price is not None else None,
        labels=dict(group.labels) if group else {},
    )


# --- library ---------------------------------------------------------------------


def package_summary(package: Package) -> PackageSummary:
    """A package in one line."""
    return PackageSummary(
        name=package.name,
        version=package.version,
        summary=package.summary,
        privileged=package.privileged,
    )


def package_detail(package: Package) -> PackageDetail:
    """A package with everything that one chooses by."""
    return PackageDetail(
        name=package.name,
        version=package.version,
        summary=package.summary,
        privileged=package.privileged,
        icon=package.icon,
        readme=package.readme,
        options=dict(package.options_schema),
        endpoints={endpoint.name: endpoint.summary for endpoint in package.endpoints},
        commands=tuple(
            PackageCommand(
                name=command.name, summary=command.summary, examples=tuple(command.examples)
            )
            for command in package.commands.values()
        ),
        scalable=tuple(group for group, _ in package.scale),
    )


# --- apps ------------------------------------------------------------------------


def app_status(record: AppRecord, model: ReadModel) -> AppStatus:
    """What to call an app's state, from what was recorded and what runs."""
    match record.phase:
        case "fetching" | "submitting" | "deploying" | "failed" | "stopped":
            return record.phase
    job = model.jobs.get(record.name)
    if job is None or job.stopped:
        return "stopped"
    running = sum(model.running(job.id, group.name) for group in job.groups)
    return "healthy" if running >= job.desired else "degraded"


def app(
    record: AppRecord,
    model: ReadModel,
    progress: Progress | None = None,
    endpoints: Sequence[Endpoint] = (),
) -> App:
    """One app."""
    job = model.jobs.get(record.name)
    groups = () if job is None or job.stopped else job.groups
    return App(
        name=record.name,
        package=record.package,
        version=record.version,
        options=record.chosen,
        status=app_status(record, model),
        reason=record.reason,
        progress=progress,
        groups=tuple(
            AppGroup(
                name=group.name,
                desired=group.count,
                running=model.running(record.name, group.name),
                tasks=tuple(task for task in group.tasks if not brings_software(task)),
            )
            for group in groups
        ),
        endpoints=tuple(endpoints),
    )


def app_endpoints(
    name: str, package: Package, services: Sequence[ServiceAddress]
) -> list[Endpoint]:
    """Where an app's services listen, as the package says that they are written."""
    return [
        Endpoint(
            name=endpoint.name,
            url=endpoint.url.format(address=f"{service.address}:{service.port}"),
            summary=endpoint.summary,
        )
        for endpoint in package.endpoints
        for service in services
        if service.service == endpoint.service(name)
    ]


# --- runs ------------------------------------------------------------------------


def run_state(job: Job, placement: Placement | None) -> RunState:
    """What to call the state of a run."""
    if placement is None:
        return "stopped" if job.stopped else "pending"
    match placement.client_status:
        case "complete":
            return "stopped" if job.stopped and placement.desired_status == "stop" else "complete"
        case "failed" | "lost" | "running":
            return placement.client_status
    return "stopped" if job.stopped and placement.desired_status == "stop" else "pending"


def run(job: Job, placement: Placement | None) -> Run:
    """One run."""
    state = run_state(job, placement)
    tasks = (
        [task for task in placement.tasks if not brings_software(task.name)] if placement else []
    )
    task = tasks[0] if tasks else None
    reason = ""
    if placement is not None and state in {"failed", "lost"}:
        reason = lacks(placement) or placement.cause
    return Run(
        id=job.id,
        command=tuple(json.loads(job.fact(RUN_COMMAND) or "[]")),
        app=job.fact(RUN_APP),
        state=state,
        exit_code=task.exit_code if task and state in {"complete", "failed"} else None,
        reason=reason,
        node=placement.node_name if placement else "",
        submitted=datetime.fromtimestamp(job.submit_time / 1e9, UTC) if job.submit_time else None,
    )
