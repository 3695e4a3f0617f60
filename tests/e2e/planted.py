"""Every secret of a running data centre, and what it looks like where it must not be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from e2e.checkout import Checkout

# Pulumi's signature of a secret in an exported state.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_PEM = "-----BEGIN"


@dataclass(frozen=True)
class Planted:
    """A secret; ``traces`` are pieces of it that are telling wherever they stand."""

    name: str
    traces: tuple[str, ...]

    def found_in(self, text: str) -> bool:
        """Whether any piece of it is in a text."""
        return any(trace in text for trace in self.traces)


@dataclass(frozen=True)
class Exposed:
    """A data centre with work on it, all its secrets, and what was shown of it so far."""

    place: Checkout
    secrets: list[Planted]
    shown: str

    def given_away(self, texts: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
        """Which named texts give which secrets away."""
        return {name: found for name, text in texts if (found := self.found_in(text))}

    def found_in(self, text: str) -> list[str]:
        """The names of the secrets that a text gives away."""
        return [secret.name for secret in self.secrets if secret.found_in(text)]


def planted(place: Checkout) -> list[Planted]:
    """All secrets of the stack's state, and its passphrase."""
    state = json.loads(place.pulumi("stack", "export", "--show-secrets").stdout)
    found = dict(_secrets(state["deployment"]["resources"]))
    found["passphrase"] = place.own.passphrase.read_text()
    return [Planted(name, tuple(_traces(value))) for name, value in found.items()]


def _secrets(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if _SIGNATURE in value and "plaintext" in value:
            yield from _texts(json.loads(value["plaintext"]), name)
            return
        label = value.get("urn", "").rpartition("::")[2]
        for key, item in value.items():
            yield from _secrets(item, f"{name}{label}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, name)


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{name}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, str) and value:
        yield name, value


def _traces(value: str) -> Iterator[str]:
    """A key's lines, as a file may hold them, JSON escape them or a log break them."""
    if value.startswith(_PEM):
        lines = value.splitlines()
        if "PRIVATE" in lines[0]:
            yield from (line for line in lines[1:-1] if len(line) > 40)
        return
    if len(value) >= 32:  # shorter ones are no secrets: counts, names, addresses
        yield value
