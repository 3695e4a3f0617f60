"""What the user writes: YAML into a validated, typed model, with every problem at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vdc.declaration.change import Change, changes, fixed
    from vdc.declaration.loader import Checked, check, load
    from vdc.declaration.model import Declaration

__all__ = ["Change", "Checked", "Declaration", "changes", "check", "fixed", "load"]


def __getattr__(name: str) -> Any:
    """Each name on first use: who asks only which kinds there are needs no YAML and no schema."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"Declaration": "model", "Checked": "loader", "check": "loader", "load": "loader"}
    module = home.get(name, "change")
    return getattr(import_module(f"{__name__}.{module}"), name)
