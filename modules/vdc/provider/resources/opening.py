"""``vdc:pool:Opening``: the pool takes work. Its removal is what ends all work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vdc.errors import SchedulerError
from vdc.provider.connection import SchedulerInputs
from vdc.provider.many import for_each
from vdc.provider.permissions import permitted
from vdc.provider.resource import Call, Inputs, Made, Outputs, Resource
from vdc.scheduler.client import Nomad
from vdc.scheduler.idle import until_idle

# Work gets this long to end when the pool is closed; then its nodes end it.
_CLOSE_S = 60


class OpeningInputs(Inputs):
    """``scheduler``: with the provisioner's token."""

    scheduler: SchedulerInputs


class Opening(Resource[OpeningInputs]):
    """Made after everything that carries work, and so removed before it.

    Stopping agents stops no work, and draining them at the end of the data centre would move it
    to nodes that go next.
    """

    token = "vdc:pool:Opening"  # noqa: S105 - a type token
    inputs = OpeningInputs

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """It has no outputs."""
        return {}

    async def create(self, call: Call, inputs: OpeningInputs) -> Made:
        """There is nothing to make: what carries work takes it."""
        return Made({})

    async def update(self, call: Call, inputs: OpeningInputs, old: Outputs) -> Made:
        """Nothing either."""
        return Made({})

    async def read(self, call: Call, inputs: OpeningInputs, old: Outputs) -> Outputs | None:
        """It exists in the state and nowhere else."""
        return old

    async def delete(self, call: Call, inputs: OpeningInputs, old: Outputs) -> None:
        """Stops every job; a scheduler that is gone runs none."""
        try:
            async with inputs.scheduler.connect() as nomad:
                await _stop_all(nomad)
        except SchedulerError as error:
            if error.status and not permitted().without_pool:
                raise


async def _stop_all(nomad: Nomad) -> None:
    """Stops every job, gives its tasks time to end, and only then has the scheduler forget it.

    A purge takes the allocations out of the scheduler's sight at once, ended or not.
    """
    jobs = [str(job["ID"]) for job in await nomad.jobs()]
    await for_each(lambda job: nomad.deregister(job, purge=False), jobs)
    ready = [node.id for node in await nomad.nodes() if node.status == "ready"]
    await until_idle(nomad, ready, _CLOSE_S)  # what does not end by itself is ended with its node
    await for_each(lambda job: nomad.deregister(job, purge=True), jobs)
