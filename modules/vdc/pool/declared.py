"""Follows what the stack declares: groups, currency, endpoints, library folders."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from vdc.errors import SchedulerError, VdcError
from vdc.provider import settings
from vdc.scheduler.client import Nomad
from vdc.scheduler.variables import Variables

_LOG = logging.getLogger(__name__)
_WATCH_S = 300
# A scheduler that is away offers no event.
_KNOCK_S = 0.5

Take = Callable[[Mapping[str, Any]], None]


class Declared:
    """Hands on what is declared, at the start and whenever it changes.

    Attributes:
        digest: Of what was handed on last; empty before that.
        problem: Why there is nothing newer, one line; empty while all is well.
    """

    def __init__(self, nomad: Nomad, take: Take) -> None:
        self._variables = Variables(nomad)
        self._take = take
        self.digest = ""
        self.problem = ""

    async def run(self) -> None:
        """Follows for ever; a scheduler that is away is waited for."""
        index = 0
        while True:
            try:
                _, index = await self._variables.changed(settings.PATH, index, _WATCH_S)
                await self._read()
                self.problem = ""
            except SchedulerError as error:
                self.problem = str(error)
                index = 0
                await asyncio.sleep(_KNOCK_S)
            except VdcError as error:  # it is written anew, which is waited for
                self.problem = str(error)
                _LOG.error("what is declared cannot be used: %s", error)

    async def _read(self) -> None:
        variable = await self._variables.get(settings.PATH)
        if variable is None:
            return  # at the very beginning and at the end
        found, digest = settings.decode(variable.items)
        if digest != self.digest:
            self._take(found)
            self.digest = digest


class Following(BaseModel):
    """What a service works from."""

    declared: str
    problem: str


router = APIRouter(prefix="/api/v1")


@router.get("/service")
async def following(request: Request) -> Following:
    """Which declaration this service has taken; the provider waits for its own."""
    declared: Declared = request.app.state.service.declared
    return Following(declared=declared.digest, problem=declared.problem)
