"""Any text, for tests that must hold for all of it."""

from __future__ import annotations

from hypothesis import strategies as st


def texts(min_size: int = 0, max_size: int | None = None) -> st.SearchStrategy[str]:
    """What UTF-8 can hold, as ``st.text()``, which tries a million signs to find that out."""
    return st.text(st.characters(exclude_categories=["Cs"]), min_size=min_size, max_size=max_size)
