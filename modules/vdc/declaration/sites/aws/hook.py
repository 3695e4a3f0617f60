"""How long a machine may take to drain that AWS ends itself."""

from __future__ import annotations

from vdc.declaration.finding import Finding, Findings, Path
from vdc.declaration.sites.aws.model import AwsSite

_MOST_S = 7200
"""AWS lets a lifecycle hook wait no longer for a word."""
_AFTER_DRAIN_S = 120
"""For the node to learn that it goes, and to give its word."""


def hook_s(drain_deadline_s: int) -> int:
    """Seconds that a group's lifecycle hook waits."""
    return min(drain_deadline_s + _AFTER_DRAIN_S, _MOST_S)


def drain_fits_the_hook(name: str, site: AwsSite) -> Findings:
    """A longer deadline holds for what we end, and not for what AWS ends."""
    for group_name, group in site.groups.items():
        deadline = group.drain.deadline
        if deadline.amount > _MOST_S - _AFTER_DRAIN_S:
            path: Path = ("sites", name, "groups", group_name, "drain", "deadline")
            yield Finding(
                path,
                f"is longer than AWS waits for a machine that it ends itself (got {deadline})",
                f"write {(_MOST_S - _AFTER_DRAIN_S) // 60}m or less, or know that the work of such "
                "a machine gets no more",
                level="warning",
            )
