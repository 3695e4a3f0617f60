"""A document with its misfits replaced by right values.

Rules look at several places together and need all of them sound. With a stand-in wherever
something was wrong already, they can look at the rest in the same run, so that the user
sees every problem at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from vdc.declaration.finding import Path
from vdc.declaration.published import stand_in
from vdc.declaration.shape import Misfit


def repaired(value: dict[str, Any], misfits: Iterable[Misfit]) -> tuple[dict[str, Any], set[Path]]:
    """A sound copy, and the places in it that are not the user's own."""
    sound = deepcopy(value)
    # Renames come last: until then the paths are those of the document.
    ours: set[Path] = set()
    for number, misfit in enumerate(sorted(misfits, key=lambda misfit: misfit.renamed)):
        path = misfit.path[:-1] if misfit.around else misfit.path
        ours.add(path)
        *outer, key = path
        holder = _at(sound, outer)
        if holder is None:
            continue  # what held it has been replaced as a whole
        if misfit.schema is None:
            holder.pop(key, None)
        elif misfit.renamed:
            name = f"{stand_in(misfit.schema)}{number}"
            ours.add((*outer, name))
            holder[name] = holder.pop(key)
        else:
            holder[key] = stand_in(misfit.schema)
    return sound, ours


def _at(value: Any, path: Iterable[str | int]) -> Any:
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value if isinstance(value, dict | list) else None
