"""What one kind of resource is to the provider: typed inputs, four operations, what is secret."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict


def fixed(old: object, new: object, way_out: str = "destroy the stack first") -> str:
    """Why a value stays as it is while its resource exists, and what can be done."""
    return f"cannot change from {old!r} to {new!r} while it exists; undo the change, or {way_out}"


Outputs = Mapping[str, Any]
Drift = Literal["ADD", "UPDATE", "DELETE"]


class Inputs(BaseModel):
    """Base of every resource's inputs: closed and frozen, so that a misspelt one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


InputsT = TypeVar("InputsT", bound=Inputs)


@dataclass(frozen=True)
class Made:
    """The end of a create or an update.

    Attributes:
        outputs: Exactly what exists now.
        problems: One line for each thing that could not be made. With any, the engine records
            the resource as initialised in part and comes back to it at the next ``up``.
    """

    outputs: Outputs
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """What a handler is told beside its inputs.

    Attributes:
        urn: The resource's Pulumi URN.
        stopping: Set when the user has interrupted the run: start nothing new, report what is.
    """

    urn: str
    stopping: asyncio.Event = field(repr=False, compare=False)


class Resource(ABC, Generic[InputsT]):
    """One resource type. Handlers keep no state between calls: what is, is at the back end.

    ``create`` is idempotent: a run that was killed in the middle is followed by another
    ``create``, which takes over what it finds to be ours.
    """

    token: ClassVar[str]
    inputs: type[InputsT]
    secret_outputs: ClassVar[frozenset[str]] = frozenset()
    replacing: ClassVar[frozenset[str]] = frozenset()
    """Inputs whose change makes a new resource."""
    refused: ClassVar[frozenset[str]] = frozenset()
    """Inputs that never change during the resource's life."""

    def refusals(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
        """Changes of inputs that are refused: what changes, and why it cannot with what to do."""
        both = sorted(self.refused & old.keys() & new.keys())
        return {name: fixed(old[name], new[name]) for name in both if old[name] != new[name]}

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Outputs that follow from the inputs alone, by name.

        They become inputs of their own (``request.news`` of every later call carries them),
        because the engine shows a difference of outputs only against inputs of the same name.
        """
        return {}

    @abstractmethod
    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """What ``create`` or ``update`` will give, for preview; leaves out what it cannot know.

        ``inputs`` are raw here, as some of them may still be unknown.
        """

    def identify(self, inputs: InputsT) -> str:
        """The resource's id."""
        return type(self).token.rpartition(":")[2].lower()

    @abstractmethod
    async def create(self, call: Call, inputs: InputsT) -> Made:
        """Makes it, or completes what an earlier attempt began."""

    @abstractmethod
    async def update(self, call: Call, inputs: InputsT, old: Outputs) -> Made:
        """Brings it to the new inputs."""

    @abstractmethod
    async def read(self, call: Call, inputs: InputsT, old: Outputs) -> Outputs | None:
        """What exists now; None when it is gone."""

    @abstractmethod
    async def delete(self, call: Call, inputs: InputsT, old: Outputs) -> None:
        """Removes it; already gone is success. Returns only when it is gone."""

    def drifted(self, inputs: InputsT, old: Outputs) -> Mapping[str, Drift]:
        """Outputs, by property path, that are not as the inputs want them."""
        return {}
