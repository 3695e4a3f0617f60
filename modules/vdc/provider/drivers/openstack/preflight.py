"""Whether a cloud would carry what a plan wants there: asked, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from vdc.declaration.finding import Finding, Path
from vdc.declaration.sites.openstack import OpenstackSite
from vdc.errors import NodeError
from vdc.plan import NodeGroup, Plan, Site
from vdc.provider.drivers.backend import Recorded
from vdc.provider.drivers.openstack import lookup
from vdc.provider.drivers.openstack.cloud import Cloud, described
from vdc.provider.drivers.openstack.inventory import of_site
from vdc.provider.drivers.openstack.quota import lacking, read
from vdc.provider.drivers.openstack.wants import asked_flavor, parts

T = TypeVar("T")


async def preflight(plan: Plan, site: Site, stack: str, recorded: Recorded) -> Sequence[Finding]:
    """See :data:`~vdc.provider.drivers.backend.Preflight`."""
    declared = OpenstackSite.model_validate_json(site.declared)
    here: Path = ("sites", site.name)
    try:
        cloud = of_site(site)
        place = await cloud.place()
    except NodeError as error:
        return [_unasked(here, declared, error)]
    stood = [each for each in _places(recorded, site) if each != place]
    if stood:
        return [
            Finding(
                (*here, "cloud"),
                f"leads to {described(place)}, and what the state records stands in "
                f"{described(stood[0])} (got {declared.cloud})",
                "let the entry of clouds.yaml lead there again, and declare another site for what "
                "is to stand elsewhere",
            )
        ]
    asked = _Asked(cloud, here, declared)
    await asked.network()
    for group in site.groups:
        await asked.image(group)
        await asked.zones(group)
        await asked.flavor(group)
        await asked.spread(group)
    await asked.quota(plan, site, stack)
    return list(dict.fromkeys(asked.findings))


def _places(recorded: Recorded, site: Site) -> Iterator[Mapping[str, str]]:
    """Where the site's groups stand; see the group's output ``place``."""
    for resource in recorded:
        if resource.get("inputs", {}).get("site") == site.name:
            place = resource.get("outputs", {}).get("place")
            if place is not None:
                yield place


async def _leads_to(site: Site, place: Mapping[str, str]) -> bool:
    """Whether a site is in this project and region; one that cannot be asked says so itself."""
    try:
        return await of_site(site).place() == place
    except NodeError:
        return False


def _unasked(here: Path, declared: OpenstackSite, error: NodeError) -> Finding:
    """Nobody answers, or not to us: of the declaration, the entry or the region is to blame."""
    said = str(error)
    if declared.region and "region" in said.lower():
        return Finding(
            (*here, "region"),
            f"cannot be asked (got {declared.region}): {said}",
            "write a region of the cloud, or leave it out for that of the entry in clouds.yaml",
        )
    return Finding(
        (*here, "cloud"),
        f"cannot be asked (got {declared.cloud}): {said}",
        "see that clouds.yaml has this entry, that its address is right and its credential good",
    )


class _Asked:
    """One cloud's answers, and what they say of a declaration."""

    def __init__(self, cloud: Cloud, here: Path, declared: OpenstackSite) -> None:
        self.findings: list[Finding] = []
        self._cloud = cloud
        self._here = here
        self._declared = declared

    async def network(self) -> None:
        """Whether the network is there, or the one that a new one leads to."""
        network, path = self._declared.network, (*self._here, "network")
        if network.cidr is None and network.name:
            name = network.name
            await self._found((*path, "name"), lambda c: lookup.network(c, name))
        if network.router:
            router = network.router
            await self._found((*path, "router"), lambda c: lookup.network(c, router))

    async def image(self, group: NodeGroup) -> None:
        """Whether the image is there and can be used."""
        own = self._declared.groups.get(group.name)
        path = (*self._of(group), "image") if own and own.image else (*self._here, "image")
        wanted = (own and own.image) or self._declared.image
        await self._found(path, lambda c: lookup.image(c, wanted))

    async def flavor(self, group: NodeGroup) -> None:
        """Whether the flavour is there, and has the size."""
        wanted, boot = asked_flavor(group, self._declared)
        work = group.name in self._declared.groups
        named = (*self._of(group), "flavor") if work else (*self._here, "flavor")
        unnamed = (*self._of(group), "size") if work else ("control", "size")
        if not wanted:
            await self._found(unnamed, lambda c: lookup.flavor(c, "", group.size, boot))
            return
        found = await self._found(named, lambda c: lookup.named(c, wanted))
        lack = found.lacks(group.size, boot) if found else ""
        if lack:
            self._say(
                named,
                f"{lack} (got {wanted})",
                "write a larger one, or leave it out for the smallest that has the size",
            )

    async def zones(self, group: NodeGroup) -> None:
        """Whether the cloud has the zones."""
        own = self._declared.groups.get(group.name)
        wanted = (own and own.zones) or self._declared.zones
        path = (*self._of(group), "zones") if own and own.zones else (*self._here, "zones")
        if not wanted:
            return
        known = await self._cloud.once(
            "zones", "zones", lambda c: [zone.name for zone in c.compute.availability_zones()]
        )
        for index, zone in enumerate(wanted):
            if zone not in known:
                self._say(
                    (*path, index),
                    f"is no zone of the cloud (got {zone})",
                    f"write one of {', '.join(sorted(known))}",
                )

    async def spread(self, group: NodeGroup) -> None:
        """Whether so many machines can be kept apart."""
        own = self._declared.groups.get(group.name)
        if own is None or own.spread != "strict":
            return
        limits = await self._cloud.once("quota", "limits", lambda c: c.compute.get_limits())
        most = limits.absolute.server_group_members
        if most is not None and 0 <= most < group.count:
            self._say(
                (*self._of(group), "spread"),
                f"cannot hold for {group.count} machines: the cloud keeps {most} apart at most "
                "(got strict)",
                "write soft, or make several groups",
            )

    async def quota(self, plan: Plan, site: Site, stack: str) -> None:
        """Whether the project may have what is to come, after what the sites before it get."""
        left = await self._cloud.ask("quota", read)
        for other in plan.sites[: plan.sites.index(site)]:
            if other.kind == site.kind and await _leads_to(other, await self._cloud.place()):
                async for part in parts(other, plan.name, stack):
                    left = left.less(part.need)
        async for part in parts(site, plan.name, stack):
            for lack in lacking(part.need, left):
                self._say(
                    part.path,
                    f"needs {lack}",
                    f"have the project's quota raised, {part.remedy}",
                )
            left = left.less(part.need)

    async def _found(self, path: Path, work: Callable[[Any], T]) -> T | None:
        """What the cloud has; None after a finding when it has it not."""
        try:
            return await self._cloud.ask("look-up", work)
        except NodeError as error:
            self._say(path, f"is not to be had: {error}", "write one that the cloud has")
            return None

    def _of(self, group: NodeGroup) -> Path:
        return (*self._here, "groups", group.name)

    def _say(self, path: Path, message: str, remedy: str) -> None:
        self.findings.append(Finding(path, message, remedy))
