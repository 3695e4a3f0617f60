"""What differs between two declarations, and what each difference does to what stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from vdc.declaration.fields import Model, Policy
from vdc.declaration.finding import dotted
from vdc.declaration.model import Declaration


@dataclass(frozen=True)
class Change:
    """One difference.

    Attributes:
        path: Dotted path of what differs.
        old: Its value before; None when it was not there.
        new: Its value after; None when it is gone.
        policy: What that does: ``in-place``, ``replace``, or ``refused``.
    """

    path: str
    old: object
    new: object
    policy: Policy


def changes(old: Declaration, new: Declaration) -> tuple[Change, ...]:
    """Every difference, in the order in which the fields are declared.

    A part that comes or goes as a whole (a site, a group, an app) is one change.
    """
    return tuple(_between(old, new, ()))


def fixed(declaration: Declaration) -> dict[str, str]:
    """Every value that cannot change while the data centre stands, by dotted path."""
    return dict(_fixed(declaration, ()))


def _fixed(model: Model, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, field in type(model).model_fields.items():
        value, here = getattr(model, name), (*path, field.alias or name)
        if isinstance(value, Model):
            yield from _fixed(value, here)
        elif _holds_models(value):
            for key, item in value.items():
                yield from _fixed(item, (*here, key))
        elif _policy(field) == "refused":
            yield dotted(here), str(value)


def _between(old: Model, new: Model, path: tuple[str, ...]) -> Iterator[Change]:
    for name, field in type(old).model_fields.items():
        # Models of two kinds of site differ in their fields, and in the first one: their kind.
        before, after = getattr(old, name), getattr(new, name, None)
        if before != after:
            yield from _field(before, after, (*path, field.alias or name), _policy(field))


def _field(old: Any, new: Any, path: tuple[str, ...], policy: Policy) -> Iterator[Change]:
    """Goes down to the smallest declared parts that differ; those carry the policy."""
    if isinstance(old, Model) and isinstance(new, Model):
        yield from _between(old, new, path)
    elif _holds_models(old) or _holds_models(new):
        for key in (*old, *(key for key in new if key not in old)):
            before, after = old.get(key), new.get(key)
            if before is None or after is None:
                yield Change(dotted((*path, key)), before, after, policy)
            elif before != after:
                yield from _field(before, after, (*path, key), policy)
    else:
        yield Change(dotted(path), old, new, policy)


def _holds_models(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(item, Model) for item in value.values())


def _policy(field: FieldInfo) -> Policy:
    extra = field.json_schema_extra
    declared: Any = extra.get("x-change") if isinstance(extra, Mapping) else None
    policy: Policy = declared or "refused"
    return policy
