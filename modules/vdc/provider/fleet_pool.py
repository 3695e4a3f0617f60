"""A fleet's machines in the pool: what is known of them, and what they were given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from vdc.errors import SchedulerError
from vdc.provider import admission, enrolment
from vdc.provider.drivers.fleet import Standing
from vdc.provider.many import for_each
from vdc.provider.members import ClientMembers
from vdc.scheduler.model import SchedulerNode


class FleetPool(ClientMembers):
    """See :class:`~vdc.provider.drivers.fleet.Pool`; made like its parent."""

    async def standing(self) -> Mapping[str, Standing]:
        """See :class:`~vdc.provider.drivers.fleet.Pool`."""
        try:
            known = await self._watch.now()
        except SchedulerError:
            if self._permitted.without_pool:
                return {}
            raise
        ours = {n: node for n, node in known.items() if self._is_ours(node)}
        return {name: _standing(node) for name, node in ours.items()}

    async def dismiss(self, names: frozenset[str]) -> None:
        """See :class:`~vdc.provider.drivers.fleet.Pool`."""
        try:
            await for_each(lambda name: admission.revoke(self._nomad, name), sorted(names))
            await enrolment.release(self._nomad, self._site, self._group, names)
        except SchedulerError:
            if not self._permitted.without_pool:
                raise

    async def forget_others(self, names: frozenset[str]) -> None:
        """See :class:`~vdc.provider.drivers.fleet.Pool`."""
        gone = (await self.standing()).keys() - names
        await super().forget_others(names)
        await enrolment.release(self._nomad, self._site, self._group, gone)
        await enrolment.sweep(self._nomad, self._site, self._group, names, datetime.now(UTC))


def _standing(node: SchedulerNode) -> Standing:
    if node.status != "ready":
        return "lost"
    # Whom somebody else took out of work is theirs to put back.
    return "leaving" if node.draining or (not node.eligible and node.drained_by_us) else "ready"
