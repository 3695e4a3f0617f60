"""What a cloud gives to the stand-in: its types, each carried out against the real API."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from labs.standin.checking import Problem

Values = Mapping[str, Any]
Lookup = Callable[[Any, Values], Values]
"""A function of the SDK: connection and arguments to its result."""


class RefusedError(Exception):
    """The cloud, or the stand-in for it, said no; the message is one line."""


@dataclass(frozen=True)
class Reference:
    """A value that names something that must exist.

    Attributes:
        path: Of the property.
        kind: In the cloud's own words (``subnet``).
        key: Id or name.
    """

    path: str
    kind: str
    key: str


class Type(ABC):
    """One resource type. Blocking throughout: the servicer calls it in threads.

    A property whose change is not ``in_place`` makes a new resource, as with the real plugin.
    """

    token: ClassVar[str]
    in_place: ClassVar[frozenset[str]] = frozenset()
    named: ClassVar[str] = ""
    """Property that is filled with a name of the plugin's own when the program gives none."""
    makes: ClassVar[str] = ""
    """What others that refer to it by that name call it."""

    def replacing(self, changed: frozenset[str], new: Values) -> frozenset[str]:
        """Of the changed inputs those that make a new resource."""
        return changed - self.in_place

    def renewed(self, changed: frozenset[str]) -> frozenset[str]:
        """Outputs that a change of these inputs changes."""
        return frozenset()

    def problems(self, inputs: Values) -> Iterable[Problem]:
        """What the real plugin or the API refuses although the SDK declares it."""
        return ()

    def references(self, inputs: Values) -> Iterator[Reference]:
        """What the inputs name that must exist."""
        yield from ()

    @abstractmethod
    def create(self, api: Any, inputs: Values) -> str:
        """Makes it; returns its id as soon as there is one."""

    def settle(self, api: Any, key: str, inputs: Values) -> None:  # noqa: B027 - most need not
        """Waits, after ``create``, until it is as a user expects it."""

    @abstractmethod
    def read(self, api: Any, key: str, old: Values) -> Values | None:
        """Inputs and outputs as they are at the API now; None when it is gone."""

    def update(self, api: Any, key: str, new: Values, old: Values, changed: frozenset[str]) -> None:
        """Brings the ``changed`` inputs, all of them ``in_place``, to their new values."""
        raise NotImplementedError

    @abstractmethod
    def delete(self, api: Any, key: str, old: Values) -> None:
        """Removes it; already gone is success. The servicer waits until it is gone."""


@dataclass
class Cloud(ABC):
    """One cloud: its SDK's name, what is carried out of it, and how its API is reached.

    Attributes:
        types: By token.
        lookups: By token.
        stopping: Set when the user has interrupted the run: what waits gives up.
        settings: The provider's.
    """

    name: ClassVar[str]
    types: ClassVar[Mapping[str, Type]]
    lookups: ClassVar[Mapping[str, Lookup]]
    stopping: threading.Event = field(default_factory=threading.Event)
    settings: Values = field(default_factory=dict, repr=False)
    _apis: dict[str | None, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def configure(self, settings: Values) -> None:
        """Takes the provider's settings; raises :class:`RefusedError`."""
        self.settings = settings

    def api(self, region: str | None) -> Any:
        """The connection to a region, the provider's own when none is given."""
        with self._lock:
            if region not in self._apis:
                self._apis[region] = self.connected(region)
            return self._apis[region]

    @abstractmethod
    def connected(self, region: str | None) -> Any:
        """A new connection to a region, the provider's own when none is given."""

    @abstractmethod
    def exists(self, api: Any, reference: Reference) -> bool:
        """Whether the API knows it."""

    @abstractmethod
    def explain(self, error: Exception) -> str | None:
        """One line for an error of the cloud's client; None for a defect of ours."""


def wait(stopping: threading.Event, done: Callable[[], bool], what: str, limit_s: float) -> None:
    """Asks until it is done; raises :class:`RefusedError` after ``limit_s`` or an interrupt."""
    end, pause = time.monotonic() + limit_s, 0.05
    while not done():
        if stopping.wait(pause):
            raise RefusedError(f"interrupted while waiting for {what}")
        if time.monotonic() > end:
            raise RefusedError(f"{what}: not within {limit_s:.0f} s")
        pause = min(pause * 1.5, 2.0)
