"""The one place where results become text: tables for people, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from vdc.client.models import Event
from vdc.commands import tables
from vdc.commands.session import Session

Result = Any
"""A model of :mod:`vdc.client.models`, a dataclass of :mod:`vdc.commands.results`, or a list."""


def show(session: Session, result: Result) -> None:
    """Writes a result the way the session wants it."""
    if session.as_json:
        session.console.out(
            json.dumps(plain(result), indent=2, ensure_ascii=False), highlight=False
        )
        return
    for block in tables.blocks(result):
        session.console.print(block)


def show_event(session: Session, event: Event) -> None:
    """Writes one event: a line, in JSON too."""
    if session.as_json:
        session.console.out(json.dumps(plain(event), ensure_ascii=False), highlight=False)
    else:
        session.console.print(tables.event_line(event), soft_wrap=True)


def plain(result: Result) -> Any:
    """JSON's own types."""
    if isinstance(result, BaseModel):
        return result.model_dump(mode="json")
    if is_dataclass(result) and not isinstance(result, type):
        return {field.name: plain(getattr(result, field.name)) for field in fields(result)}
    if isinstance(result, list | tuple):
        return [plain(item) for item in result]
    return result
