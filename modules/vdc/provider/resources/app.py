"""``vdc:pool:App``: an installed package that the stack owns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vdc.client.profile import Profile
from vdc.errors import PoolError
from vdc.home import Home
from vdc.provider.permissions import permitted
from vdc.provider.resource import Call, Inputs, Made, Outputs, Resource

if TYPE_CHECKING:
    from vdc.client import PoolClient
    from vdc.client.models import App as Installed


class AppInputs(Inputs):
    """``options`` is JSON text; ``address`` is the pool's, so that an app follows its service."""

    stack: str
    name: str
    package: str
    options: str
    address: str


class App(Resource[AppInputs]):
    """Installed through the pool API, as anybody would, with the operator's token."""

    token = "vdc:pool:App"  # noqa: S105 - a type token
    inputs = AppInputs
    replacing: ClassVar[frozenset[str]] = frozenset({"package"})
    refused: ClassVar[frozenset[str]] = frozenset({"stack", "name"})

    def identify(self, inputs: AppInputs) -> str:
        """Apps have unique names."""
        return inputs.name

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Nothing is known before the library has looked at the options."""
        return {**old, "status": "healthy"} if old else {"status": "healthy"}

    async def create(self, call: Call, inputs: AppInputs) -> Made:
        """Returns when the app is healthy; the same app again is a success."""
        return await asyncio.to_thread(_install, inputs)

    async def update(self, call: Call, inputs: AppInputs, old: Outputs) -> Made:
        """In place: the scheduler replaces instances as the package says."""
        return await self.create(call, inputs)

    async def read(self, call: Call, inputs: AppInputs, old: Outputs) -> Outputs | None:
        """Its status; None when the pool does not know it. A pool that is away tells nothing."""
        try:
            return _outputs(await asyncio.to_thread(_ask, inputs))
        except PoolError as error:
            if error.status == 404:
                return None
            if error.status:
                raise
            return {**old, "status": "unknown"}

    async def delete(self, call: Call, inputs: AppInputs, old: Outputs) -> None:
        """Stops and forgets it."""
        try:
            await asyncio.to_thread(_stop, inputs)
        except PoolError as error:
            if error.status == 404 or (not error.status and permitted().without_pool):
                return
            raise


def _client(inputs: AppInputs) -> PoolClient:
    from vdc.client import PoolClient  # most runs of the provider touch no app

    return PoolClient.of(Profile.load(Home.of_user(), inputs.stack, env={}))


def _install(inputs: AppInputs) -> Made:
    with _client(inputs) as pool:
        try:
            app = pool.install(inputs.package, inputs.name, json.loads(inputs.options))
        except PoolError as error:
            try:
                found = pool.app(inputs.name)
            except PoolError:
                raise error from None  # refused before anything was made
            return Made(_outputs(found), (str(error),))
    return Made(_outputs(app))


def _ask(inputs: AppInputs) -> Installed:
    with _client(inputs) as pool:
        return pool.app(inputs.name)


def _stop(inputs: AppInputs) -> None:
    with _client(inputs) as pool:
        pool.stop(inputs.name, purge=True)


def _outputs(app: Installed) -> dict[str, Any]:
    return {"status": app.status, "version": app.version}
