"""Tables and lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vdc.client.models import (
    App,
    AppGroup,
    Event,
    Node,
    NodeCounts,
    PackageDetail,
    PackageSummary,
    Pool,
    Resources,
    Run,
    Usage,
)
from vdc.client.software import Software
from vdc.commands.results import Gone, Status

_COLOURS = {
    "ready": "green", "healthy": "green", "complete": "green", "running": "green",
    "degraded": "yellow", "draining": "yellow", "ineligible": "yellow", "pending": "yellow",
    "fetching": "yellow", "submitting": "yellow", "deploying": "yellow",
    "down": "red", "failed": "red", "lost": "red",
    "stopped": "dim",
}  # fmt: skip


@singledispatch
def blocks(result: Any) -> Iterator[RenderableType]:
    """What to print for a result, one thing below the other."""
    raise TypeError(f"no table for {type(result).__name__}")


@blocks.register(list)
@blocks.register(tuple)
def _(results: Sequence[Any]) -> Iterator[RenderableType]:
    if not results:
        yield Text("none", style="dim")
        return
    match results[0]:
        case Node():
            yield _nodes(results)
        case App():
            yield _apps(results)
        case PackageSummary():
            yield _packages(results)
        case Run():
            yield _runs(results)
        case Software():
            yield _software(results)
        case other:
            raise TypeError(f"no table for {type(other).__name__}")


@blocks.register
def _(status: Status) -> Iterator[RenderableType]:
    pool = status.pool
    yield Text.assemble((pool.name, "bold"), f"  {status.address}")
    if pool.stale:
        yield Text(f"the scheduler does not answer; this is how it was at {pool.as_of}", "red")
    yield Text(f"nodes   {_counts(pool.nodes)}")
    yield Text(f"cpu     {_share(pool.allocated.cpu_mhz, pool.total.cpu_mhz, _cores)} cores")
    yield Text(f"memory  {_share(pool.allocated.memory_mib, pool.total.memory_mib, _bytes)}")
    yield Text(f"price   {_price(pool, pool.currency)}")
    if status.apps:
        yield Text()
        yield _apps(status.apps)
    else:
        yield Text("apps    none; install one: vdc install hello")


@blocks.register
def _(pool: Pool) -> Iterator[RenderableType]:
    table = _table("site", "group", "nodes", "cores>", "allocated>", "free>")
    for name in ("memory", "allocated", "free", f"{pool.currency}/h"):
        table.add_column(name, justify="right")
    for group in pool.groups:
        table.add_row(group.site, group.group, *_usage(group))
    table.add_section()
    table.add_row(Text("all", "bold"), "", *_usage(pool))
    yield table
    if pool.stale:
        yield Text(f"the scheduler does not answer; this is how it was at {pool.as_of}", "red")
    if pool.unpriced:
        yield Text(f"{pool.unpriced} nodes have no price and are not counted", "yellow")


@blocks.register
def _(app: App) -> Iterator[RenderableType]:
    yield Text.assemble((app.name, "bold"), f"  {app.package} {app.version}  ", _state(app.status))
    if app.reason:
        yield Text(f"why: {app.reason}", "red" if app.status == "failed" else "yellow")
    facts = Table.grid(padding=(0, 2))
    for endpoint in app.endpoints:
        facts.add_row(endpoint.name, Text(endpoint.url, "cyan"), Text(endpoint.summary, "dim"))
    for group in app.groups:
        tasks = f"tasks: {', '.join(group.tasks)}"
        facts.add_row(group.name, f"{group.running} of {group.desired} run", Text(tasks, "dim"))
    if facts.row_count:
        yield facts
    if app.options:
        table = _table("option", "value")
        for name, value in app.options.items():
            table.add_row(name, Text(str(value)))
        yield table


@blocks.register
def _(package: PackageDetail) -> Iterator[RenderableType]:
    yield Text.assemble((package.name, "bold"), f"  {package.version}")
    yield Text(package.summary)
    if package.privileged:
        yield Text("runs only on groups that are declared for privileged work", "yellow")
    table = _table("option", "type", "default>", "meaning")
    for name, rule in package.options.get("properties", {}).items():
        default = Text(str(rule["default"])) if "default" in rule else Text("required", "yellow")
        table.add_row(name, _kind(rule), default, str(rule.get("description", "")))
    yield table
    facts = Table.grid(padding=(0, 2))
    for endpoint, summary in package.endpoints.items():
        facts.add_row("endpoint", endpoint, Text(summary, "dim"))
    for command in package.commands:
        facts.add_row("command", command.name, Text(command.summary, "dim"))
        for example in command.examples:
            facts.add_row("example", example, Text(f"vdc submit APP example:{example}", "dim"))
    if facts.row_count:
        yield facts
    yield Text(f"install it: vdc install {package.name} --name NAME --set OPTION=VALUE", "dim")


@blocks.register
def _(run: Run) -> Iterator[RenderableType]:
    line = Text.assemble((run.id, "bold"), "  ", _state(run.state))
    if run.exit_code is not None:
        line.append(f"  exit code {run.exit_code}")
    yield line
    if run.reason:
        yield Text(f"why: {run.reason}", "red")


@blocks.register
def _(gone: Gone) -> Iterator[RenderableType]:
    yield Text(f"{gone.name} {'is gone' if gone.purged else 'is stopped'}")


def event_line(event: Event) -> Text:
    """One event as a line."""
    line = Text.assemble(f"{event.kind:<5} ", (f"{event.name:<24} ", "bold"), _state(event.state))
    if event.progress:
        line.append(f" {event.progress.what}")
    if event.reason:
        line.append(f" {event.reason}")
    return line


def _nodes(nodes: Sequence[Node]) -> Table:
    table = _table("node", "site", "group", "status", "cores", "memory", "price/h>", "address")
    for node in nodes:
        table.add_row(
            Text(node.name, "bold"), node.site, node.group, _state(node.status),
            _share(node.allocated.cpu_mhz, node.capacity.cpu_mhz, _cores),
            _share(node.allocated.memory_mib, node.capacity.memory_mib, _bytes),
            node.price_per_hour or "-", node.address,
        )  # fmt: skip
    return table


def _apps(apps: Sequence[App]) -> Table:
    table = _table("app", "package", "status", "running", "")
    for app in apps:
        table.add_row(
            Text(app.name, "bold"), f"{app.package} {app.version}", _state(app.status),
            ", ".join(map(_group, app.groups)), Text(app.reason, "dim"),
        )  # fmt: skip
    return table


def _packages(packages: Sequence[PackageSummary]) -> Table:
    table = _table("package", "version", "what it is")
    for package in packages:
        table.add_row(Text(package.name, "bold"), package.version, package.summary)
    return table


def _software(needed: Sequence[Software]) -> Table:
    table = _table("software", "MB>", "at the pool service")
    for software in needed:
        size = f"{software.size / 1e6:,.0f}" if software.size else ""
        table.add_row(Text(software.name, "bold"), size, "there" if software.there else "missing")
    return table


def _runs(runs: Sequence[Run]) -> Table:
    table = _table("run", "state", "exit>", "node", "command")
    for run in runs:
        code = "" if run.exit_code is None else str(run.exit_code)
        command = " ".join(filter(None, (run.app, *run.command)))
        table.add_row(Text(run.id, "bold"), _state(run.state), code, run.node, Text(command))
    return table


def _table(*names: str) -> Table:
    """A table with these columns; numbers' names end with ``>`` and stand to the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in names:
        right = name.endswith(">")
        table.add_column(name.removesuffix(">"), justify="right" if right else "left")
    return table


def _usage(usage: Usage) -> list[str]:
    parts: list[Resources] = [usage.total, usage.allocated, usage.free]
    return [
        _counts(usage.nodes),
        *(_cores(part.cpu_mhz) for part in parts),
        *(_bytes(part.memory_mib) for part in parts),
        usage.price_per_hour,
    ]


def _price(usage: Usage, currency: str) -> str:
    unpriced = f" ({usage.unpriced} nodes have no price)" if usage.unpriced else ""
    return f"{usage.price_per_hour} {currency}/h{unpriced}"


def _counts(nodes: NodeCounts) -> str:
    counts = {name: count for name, count in nodes.model_dump().items() if count}
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _group(group: AppGroup) -> str:
    return f"{group.running}/{group.desired} {group.name}"


def _kind(rule: dict[str, Any]) -> str:
    if "enum" in rule:
        return " | ".join(map(str, rule["enum"]))
    bounds = [f"{rule['minimum']} or more"] if rule.get("minimum") else []
    return ", ".join([str(rule.get("type", "")), *bounds])


def _state(state: str) -> Text:
    return Text(state, _COLOURS.get(state, ""))


def _share(part: int, whole: int, unit: Any) -> str:
    return f"{unit(part)} of {unit(whole)}"


def _cores(mhz: int) -> str:
    return f"{mhz / 1000:.1f}"


def _bytes(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB"
