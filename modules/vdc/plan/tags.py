"""The marks of ownership that everything made in a cloud carries from its first moment.

What carries them is ours to change and to remove, whatever became of the state that recorded it;
what does not is never touched. Their keys are valid as tag, label and metadata key of every cloud.
"""

from __future__ import annotations

from collections.abc import Mapping

from vdc.plan.naming import fitted

DATACENTER = "vdc-datacenter"
STACK = "vdc-stack"
SITE = "vdc-site"
GROUP = "vdc-group"
EXPIRES = "vdc-expires"

TEMPLATE = "vdc-template"
"""No mark of ownership: from which template the cloud has made a machine of a group of its own."""

LONGEST_WORD = 60
"""Where a tag is a single word, OpenStack's network service takes this many characters."""


def tags(
    datacenter: str, stack: str, site: str, group: str = "", expires: str = ""
) -> Mapping[str, str]:
    """The marks of one thing.

    Args:
        datacenter: The data centre's name.
        stack: The Pulumi stack that it belongs to.
        site: The site's name.
        group: The group's name; empty for what the groups of a site share.
        expires: The declared day after which nobody should need it; empty when there is none.
    """
    whole = {DATACENTER: datacenter, STACK: stack, SITE: site, GROUP: group, EXPIRES: expires}
    return {key: value for key, value in whole.items() if value}


def words(marks: Mapping[str, str], longest: int = LONGEST_WORD) -> tuple[str, ...]:
    """The marks where a cloud has no keys: one word ``key=value`` each, never longer than that."""
    return tuple(fitted(f"{key}={value}", longest) for key, value in marks.items())


def ours(found: Mapping[str, str], datacenter: str, stack: str) -> bool:
    """Whether a thing with these tags belongs to a stack: both marks, and exactly these.

    Tags that were read from words may have been cut there.
    """
    whole = {DATACENTER: datacenter, STACK: stack}
    cut = dict(word.split("=", 1) for word in words(whole))
    return all(found.get(key) in (whole[key], cut[key]) for key in whole)
