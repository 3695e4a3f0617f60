"""How what a site makes in AWS is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Marks:
    """How the resources of a site are called.

    Attributes:
        label: What their names in the stack begin with.
        name: What they are called at the cloud.
        tags: What all of them carry.
        opts: Their parent and provider.
    """

    label: str
    name: str
    tags: Mapping[str, str]
    opts: pulumi.ResourceOptions

    @property
    def named(self) -> Mapping[str, str]:
        """The tags, and the one that the cloud's console shows as name."""
        return {**self.tags, "Name": self.name}
