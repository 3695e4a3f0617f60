"""Making one server so that a lost answer makes no second one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from vdc.provider.drivers.openstack import lookup
from vdc.provider.drivers.openstack.addresses import Addresses
from vdc.provider.drivers.openstack.cloud import Cloud
from vdc.provider.drivers.openstack.marks import Mark
from vdc.provider.drivers.openstack.model import Template
from vdc.provider.drivers.openstack.request import Parts, request
from vdc.provider.drivers.openstack.sdk import LostAnswerError, RefusedError
from vdc.provider.drivers.openstack.sight import Sight

_ATTEMPTS = 3
# A request whose answer was lost shows in the list, or it came to nothing.
_LOOKS = 2
_FORBIDDEN = 403


class Maker:
    """Makes the servers of one group.

    Args:
        template: What they are made from.
        cloud: Where.
        addresses: What they have in the network.
    """

    def __init__(self, template: Template, cloud: Cloud, addresses: Addresses) -> None:
        self._template = template
        self._cloud = cloud
        self._addresses = addresses

    async def make(self, mark: Mark, user_data: str, look: Callable[[], Awaitable[Sight]]) -> None:
        """Has the cloud begin a server of this mark, exactly one.

        Raises:
            NodeError: The cloud refuses, or does not answer.
        """
        parts = await self._parts(mark.node)
        grouped = True
        lost: LostAnswerError | None = None
        for _ in range(_ATTEMPTS):
            wanted = request(self._template, mark, parts, user_data, grouped=grouped)
            try:
                await self._begin(wanted)
            except LostAnswerError as error:
                lost = error
                if await _arrived(mark, look):
                    return
            except RefusedError as error:
                if not (grouped and self._spread_is_a_wish and _group_is_full(error)):
                    raise
                grouped = False
            else:
                return
        if lost:
            raise lost

    async def network(self) -> str:
        """The id of the group's network."""
        wanted = self._template.network
        return await self._cloud.once("network", wanted, lambda c: lookup.network(c, wanted))

    async def _begin(self, wanted: dict[str, Any]) -> None:
        await self._cloud.ask(
            "creation", lambda c: c.compute.create_server(**wanted), repeats=False
        )

    @property
    def _spread_is_a_wish(self) -> bool:
        return self._template.spread == "soft"

    async def _parts(self, name: str) -> Parts:
        template, cloud = self._template, self._cloud
        image = await cloud.once(
            "image", ("image", template.image), lambda c: lookup.image(c, template.image)
        )
        flavor = await cloud.once(
            "flavour",
            ("flavour", template.flavor, template.size, template.boot),
            lambda c: lookup.flavor(c, template.flavor, template.size, template.boot),
        )
        network = await self.network()
        port = await self._port(network, name) if template.address(name) else ""
        return Parts(image, flavor.id, network, port)

    async def _port(self, network: str, name: str) -> str:
        def work(connection: Any) -> str:
            return self._addresses.port(connection, network, name)

        try:
            return await self._cloud.ask("port", work, repeats=False)
        except LostAnswerError:
            return await self._cloud.ask("port", work, repeats=False)  # finds what was made


async def _arrived(mark: Mark, look: Callable[[], Awaitable[Sight]]) -> bool:
    for _ in range(_LOOKS):
        known = (await look()).every(mark.node)
        if any(one.mark.incarnation == mark.incarnation for one in known):
            return True
    return False


def _group_is_full(error: RefusedError) -> bool:
    """Many clouds take ten servers into a group; a wish is then none for those that come after."""
    return error.status == _FORBIDDEN and "server" in error.said and "group" in error.said
