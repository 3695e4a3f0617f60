"""The library of packages that run on the pool."""

from __future__ import annotations

from vdc.library.loading import Library, load
from vdc.library.package import Package, secrets_path
from vdc.library.parts import (
    Artifact,
    Call,
    Command,
    Endpoint,
    Facts,
    HealthCheck,
    Rendered,
)

__all__ = [
    "Artifact",
    "Call",
    "Command",
    "Endpoint",
    "Facts",
    "HealthCheck",
    "Library",
    "Package",
    "Rendered",
    "load",
    "secrets_path",
]
