"""What a property may be: declared by an SDK, checked against a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scalar:
    """One value: ``str``, ``int``, ``float`` or ``bool``; ``object`` takes anything."""

    kind: type


@dataclass(frozen=True)
class Choice:
    """One of the values of a closed enumeration."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class ListOf:
    """A list."""

    item: Shape


@dataclass(frozen=True)
class MapOf:
    """A map with keys of the user's."""

    value: Shape


@dataclass(frozen=True)
class Block:
    """A map with declared keys.

    Attributes:
        name: The SDK's class or function.
        properties: By the name on the wire.
        required: Those that must be there.
        python: By the name on the wire, how a program writes it.
    """

    name: str
    properties: Mapping[str, Shape] = field(repr=False)
    required: frozenset[str] = frozenset()
    python: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Either:
    """A map with declared keys, or one value that stands for it (a policy's JSON)."""

    block: Block
    scalar: Scalar


Shape = Scalar | Choice | ListOf | MapOf | Block | Either


class UnknownTokenError(LookupError):
    """The SDK declares no resource type, or no function, of this name."""
