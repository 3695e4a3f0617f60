"""The scheduler's verdicts in words that say what to do."""

from __future__ import annotations

from collections.abc import Sequence

from vdc.plan.model import Size
from vdc.scheduler.outcome import Shortage, TaskGroup


def shortages_in_words(
    shortages: Sequence[Shortage], groups: Sequence[TaskGroup], most_free: Size
) -> str:
    """Why a job does not fit, one line: what is needed and the most that one node has free."""
    by_name = {group.name: group for group in groups}
    return "; ".join(
        _shortage(shortage, by_name[shortage.group], most_free)
        for shortage in shortages
        if shortage.group in by_name
    )


def _shortage(shortage: Shortage, group: TaskGroup, most_free: Size) -> str:
    who = f"{shortage.missing} of {group.count} instances of {group.name} cannot be placed"
    if shortage.nodes == 0:
        return f"{who}: no node is ready to take them"
    reasons = [_dimension(dimension, group, most_free) for dimension in shortage.dimensions]
    if not reasons:
        reasons = [f"no node satisfies {constraint}" for constraint in shortage.constraints]
    return f"{who}: {', '.join(reasons) or 'no node is suitable'}"


def _dimension(dimension: str, group: TaskGroup, most_free: Size) -> str:
    needs = {
        "cpu": (group.cpu_mhz, most_free.cpu_mhz, "MHz"),
        "memory": (group.memory_mib, most_free.memory_mib, "MiB of memory"),
        "disk": (group.disk_mib, most_free.disk_mib, "MiB of disk"),
    }
    if dimension not in needs:
        return f"{dimension} is exhausted"
    need, free, unit = needs[dimension]
    if need > free:
        return f"each needs {need:,} {unit}, most free on one node is {free:,}"
    return f"each needs {need:,} {unit}, and the nodes do not have that often enough"


def last_line(text: str, longest: int = 200) -> str:
    """The last line with anything in it, cut to a readable length."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    line = next((line for line in reversed(lines) if line), "")
    return line if len(line) <= longest else line[: longest - 1] + "…"
