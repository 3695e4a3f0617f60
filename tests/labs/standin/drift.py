"""When two values are the same to a cloud, and what of an answer answers a declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labs.standin.shape import Block, ListOf, Shape
from vdc.provider.wire import has_unknown


def same(one: Any, other: Any) -> bool:
    """Equal, whatever the order of their lists: nearly all lists of a cloud are sets.

    An unknown value is not even the same as itself.
    """
    return not (has_unknown(one) or has_unknown(other)) and _key(one) == _key(other)


def as_declared(shape: Shape | None, declared: Any, live: Any) -> Any:
    """The live value in the words of the declared one.

    Keys of a block that the program left out are defaults of the API and no drift; a foreign key
    of a map, such as a tag, is one.
    """
    if live is None or same(declared, live):
        return declared if live is not None else None
    if isinstance(shape, Block) and isinstance(declared, Mapping) and isinstance(live, Mapping):
        return {
            name: as_declared(shape.properties.get(name), value, live.get(name))
            for name, value in declared.items()
        }
    lists = isinstance(declared, list) and isinstance(live, list)
    if isinstance(shape, ListOf) and lists and len(declared) == len(live):
        return [as_declared(shape.item, o, n) for o, n in zip(declared, live, strict=True)]
    return live


def _key(value: Any) -> str:
    return json.dumps(_sorted(value), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=_key)
    return value
