"""``vdc:openstack:NodeGroup``: from the resource's inputs to a driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from vdc.bootstrap.node import BundleSource
from vdc.errors import StackError
from vdc.plan.tags import tags
from vdc.provider.door import door
from vdc.provider.drivers.openstack import trail
from vdc.provider.drivers.openstack.cloud import Cloud, cloud, described
from vdc.provider.drivers.openstack.driver import OpenstackDriver
from vdc.provider.drivers.openstack.marks import realm
from vdc.provider.drivers.openstack.model import Boot, Spread, Template
from vdc.provider.drivers.openstack.trail import Step, Trail
from vdc.provider.machines import BundleInputs, MachineInputs, briefing, rendered, software
from vdc.provider.offering import offer
from vdc.provider.resource import Call, Made, Outputs
from vdc.provider.resources.node_group import NodeGroup
from vdc.scheduler.client import Nomad


class OpenstackInputs(MachineInputs):
    """What a group of servers needs beside what every group of machines needs.

    Attributes:
        cloud: The entry of ``clouds.yaml``.
        region: The region; empty for the entry's own.
        network: Its name or id.
        security_groups: Ids.
        key_pair: Its name; empty for none.
        image: Its name or id.
        init: Who reads the user data.
        flavor: Its name or id; empty for the smallest of the size.
        boot: Where the disk comes from.
        floating_ip: Whether each has an address that is reached from outside.
        external: Name or id of the network that floating addresses come from; empty for the one
            that the network's router leads to.
        zones: Over which new nodes are spread.
        spread: Whether two may share a host of the cloud.
        server_group: Id of what holds the cloud to that; empty for none.
        expires: The declared day after which nobody should need them.
        bundle: The software of control servers, which stand before the pool that has it.
    """

    cloud: str
    region: str = ""
    network: str
    security_groups: tuple[str, ...] = ()
    key_pair: str = ""
    image: str
    arch: Literal["amd64", "arm64"]
    init: Literal["cloud-init", "ignition"]
    flavor: str = ""
    boot: Boot = "image"
    floating_ip: bool = False
    external: str = ""
    zones: tuple[str, ...] = ()
    spread: Spread = "none"
    server_group: str = ""
    expires: str = ""
    bundle: BundleInputs = BundleInputs()


class OpenstackNodeGroup(NodeGroup[OpenstackInputs]):
    """``vdc:openstack:NodeGroup``.

    Its output ``place`` is the project and the region that the entry of ``clouds.yaml`` led to. The
    entry is no part of the declaration: where it leads elsewhere later, no server of the group is
    to be seen, and they would all be made there once more while the old ones stay paid for.
    """

    token = "vdc:openstack:NodeGroup"  # noqa: S105 - a type token
    inputs = OpenstackInputs

    def ready_s(self, inputs: OpenstackInputs) -> int:
        """A machine boots, fetches its software from the pool and joins."""
        return 600

    def driver(self, inputs: OpenstackInputs, nomad: Nomad | None) -> OpenstackDriver:
        """Servers in a cloud; each work node is admitted by name."""
        template = _template(inputs)
        # The flavour may have more: what the plan counts and prices is what the pool gets.
        told = briefing(inputs, _source(inputs), bounded=True)

        def userdata(name: str, secret: str) -> str:
            return rendered(told.boot(name, secret), inputs.init)

        return OpenstackDriver(
            template,
            userdata,
            _cloud(inputs),
            door(inputs, nomad),
            Trail(trail.folder(inputs.stack), _step(inputs, template)),
            f"{inputs.datacenter}-",
        )

    async def create(self, call: Call, inputs: OpenstackInputs) -> Made:
        """See the group logic; work nodes find their software at the pool when they boot."""
        place = await _cloud(inputs).place()
        if inputs.role == "client" and inputs.count:
            await offer(software(inputs, inputs.arch), inputs)
        made = await super().create(call, inputs)
        return replace(made, outputs={**made.outputs, "place": place})

    async def update(self, call: Call, inputs: OpenstackInputs, old: Outputs) -> Made:
        """See the group logic."""
        await _at_its_place(inputs, old)
        return await super().update(call, inputs, old)

    async def read(self, call: Call, inputs: OpenstackInputs, old: Outputs) -> Outputs | None:
        """See the group logic."""
        place = await _at_its_place(inputs, old)
        found = await super().read(call, inputs, old)
        return found and {**found, "place": place}

    async def delete(self, call: Call, inputs: OpenstackInputs, old: Outputs) -> None:
        """See the group logic; nothing is kept for successors any more."""
        await _at_its_place(inputs, old)
        await super().delete(call, inputs, old)
        await self.driver(inputs, None).clear()
        Trail(trail.folder(inputs.stack), _step(inputs, _template(inputs))).leave()


def _cloud(inputs: OpenstackInputs) -> Cloud:
    return cloud(inputs.cloud, inputs.region)


async def _at_its_place(inputs: OpenstackInputs, old: Outputs) -> Mapping[str, str]:
    """Where the entry leads, which is where the group stands.

    Raises:
        StackError: It leads elsewhere. A state that does not say where is taken as it is.
    """
    place = await _cloud(inputs).place()
    stood = old.get("place", place)
    if stood != place:
        raise StackError(
            f"cloud {inputs.cloud}: the entry of clouds.yaml leads to {described(place)}, and "
            f"group {inputs.group} of site {inputs.site} stands in {described(stood)}; let the "
            "entry lead there, and declare another site for what is to stand elsewhere"
        )
    return place


def _template(inputs: OpenstackInputs) -> Template:
    whose = tags(inputs.datacenter, inputs.stack, inputs.site, inputs.group, inputs.expires)
    return Template(
        realm=realm(inputs.datacenter, inputs.stack, inputs.ca_cert),
        tags=tuple(sorted(whose.items())),
        prefix=inputs.prefix,
        names=inputs.names,
        image=inputs.image,
        flavor=inputs.flavor,
        size=inputs.size,
        network=inputs.network,
        security_groups=inputs.security_groups,
        key_pair=inputs.key_pair,
        boot=inputs.boot,
        floating_ip=inputs.floating_ip,
        external=inputs.external,
        zones=inputs.zones,
        spread=inputs.spread,
        server_group=inputs.server_group,
        dialled=tuple(zip(inputs.names, inputs.server_addresses, strict=False)),
    )


def _source(inputs: OpenstackInputs) -> BundleSource:
    if inputs.role == "client":
        return BundleSource(software(inputs, inputs.arch).sha256)
    if not inputs.bundle.url:
        raise StackError(
            f"site {inputs.site} carries the control plane, and its servers need an address from "
            "which to fetch their software: make it with `make release` and declare bundle: with "
            "url: and sha256: at the site"
        )
    return BundleSource(inputs.bundle.sha256, url=inputs.bundle.url)


def _step(inputs: OpenstackInputs, template: Template) -> Step:
    return Step(
        owner=inputs.owner,
        realm=template.realm,
        datacenter=inputs.datacenter,
        cloud=inputs.cloud,
        region=inputs.region,
    )
