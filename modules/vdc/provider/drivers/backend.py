"""What a kind can say of a whole back end: what would fail there, and what of ours is there.

For kinds whose machines somebody else keeps, and charges for. Such a kind's package says
``BACKEND = Backend(preflight, found, remove, left)``; one without it has nothing to add, and
nobody asks which kinds those are. Credentials come from the site as declared (``site.declared``)
and from where the SDK itself looks, never from a state. SDKs are imported inside the functions:
whoever calls them turns a missing one into a line that names the extra.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vdc.declaration.finding import Finding
from vdc.plan import Plan, Site
from vdc.plan.tags import EXPIRES, GROUP, SITE

Recorded = Sequence[Mapping[str, Any]]
"""The resources that a stack's state records, as the engine exports them; secrets are encrypted."""

Preflight = Callable[[Plan, Site, str, Recorded], Awaitable[Sequence[Finding]]]
"""Asks a site's back end whether it would carry what the plan wants there, changing nothing.

All findings at once: credential, region, image, size or type, network, and a quota against what
is wanted beyond what already stands. Each names the declared value that is to blame, or the
nearest: ``("sites", "north", "groups", "workers", "count")``, and what the back end said. What
cannot be asked for lack of an earlier answer is left out; a warning is what may still work.

Args: the plan, the site, the stack, what its state records: where that stands elsewhere than the
credential leads to by now, a refresh would call it gone.

Raises:
    VdcError: Nothing can be asked at all; counts as the site's one finding.
"""


@dataclass(frozen=True)
class Thing:
    """One thing at a back end that carries a stack's tags (:mod:`vdc.plan.tags`).

    Attributes:
        sort: What it is, in the back end's own words: ``server``, ``volume``, ``vpc``.
        id: What the back end knows it by, unique together with ``sort``. A state that contains it
            as a whole value or key records the thing, so it is nothing that others are called as
            well: an ARN, and not the name that is also a group's prefix.
        name: What people know it by; the id when it has no name.
        tags: Its tags, or of these at least ours.
        known_by: What else a state that records it contains as a whole value or key: its name only
            where a state records no id, since two things can bear one name. For a part of
            something else (a machine's volume, a group's machine) what the whole is known by.
        rank: When it can go: everything of a lower rank is gone before. Whatever a thing needs
            or is attached to has a higher rank than the thing.
    """

    sort: str
    id: str
    name: str
    tags: Mapping[str, str] = field(hash=False)
    known_by: frozenset[str] = frozenset()
    rank: int = 0

    @property
    def site(self) -> str:
        """The site that its tags name."""
        return self.tags.get(SITE, "")

    @property
    def group(self) -> str:
        """The group that its tags name; empty for what a site's groups share."""
        return self.tags.get(GROUP, "")

    @property
    def expires(self) -> str:
        """The day that its tags name, ISO 8601; empty when they name none."""
        return self.tags.get(EXPIRES, "")


Found = Callable[[Site, str, str], Awaitable[Sequence[Thing]]]
"""Everything at the site's back end (same credential and region) that carries the tags of a data
centre and a stack, whatever site they name, recorded or not.

A back end is read whole, page by page, or not at all: what it does not answer is raised. Things
that are ending by themselves are left out, and so is what goes with something else that is listed.

Args: the site, the data centre's name, the stack.

Raises:
    VdcError: It cannot be read.
"""

Remove = Callable[[Site, Thing], Awaitable[None]]
"""Has the back end begin to remove one thing that ``found`` gave; already gone is success.

Looks at the thing's tags once more and touches nothing that is not ours (any more). Waits for
nothing that takes its time: thousands begin to go before the first is gone.

Raises:
    VdcError: It stays; says what the back end said.
"""

Left = Callable[[Site, Sequence[Thing]], Awaitable[Sequence[Thing]]]
"""Those of these things that the back end still has, those that are ending among them.

Asked again and again until there are none: by lists and not by one question for each thing.

Raises:
    VdcError: It cannot be read.
"""


@dataclass(frozen=True)
class Backend:
    """What one kind offers; see the type of each."""

    preflight: Preflight
    found: Found
    remove: Remove
    left: Left
