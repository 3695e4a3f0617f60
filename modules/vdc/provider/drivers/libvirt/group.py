"""A group of nodes on libvirt hosts as a Pulumi resource: its inputs, and the driver they make."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from vdc.bootstrap.cloudinit import meta_data, user_data
from vdc.bootstrap.ignition import ignition
from vdc.bootstrap.node import BundleSource, Proxy
from vdc.errors import NodeError, SchedulerError, StackError, ToolchainError
from vdc.home import Home
from vdc.provider import admission
from vdc.provider.briefing import Briefing, Carry, Work
from vdc.provider.carrying import carry, software
from vdc.provider.drivers.libvirt import ledger
from vdc.provider.drivers.libvirt.addressing import network_config
from vdc.provider.drivers.libvirt.common import Payload
from vdc.provider.drivers.libvirt.driver import LibvirtDriver
from vdc.provider.drivers.libvirt.maker import PAYLOAD_FOLDER
from vdc.provider.drivers.libvirt.model import (
    Bridge,
    HostSpec,
    Image,
    Init,
    Machine,
    Nat,
    Network,
    Size,
    Template,
)
from vdc.provider.drivers.libvirt.names import Names, realm
from vdc.provider.resource import FORCE_VARIABLE, Call, Inputs, Made, Outputs
from vdc.provider.resources.node_group import GroupInputs, NodeGroup
from vdc.scheduler.client import Nomad

Arch = Literal["amd64", "arm64"]
_MHZ_PER_CORE = 1000
_MACHINES: Mapping[Arch, str] = {"amd64": "x86_64", "arm64": "aarch64"}


class NetworkInputs(Inputs):
    """Exactly one of the two."""

    bridge: str = ""
    nat: str = ""

    @property
    def network(self) -> Network:
        """As the driver takes it."""
        return Bridge(self.bridge) if self.bridge else Nat(self.nat)


class HostInputs(Inputs):
    """A host, as declared."""

    uri: str
    identity: str = ""
    pool: str = ""
    network: NetworkInputs | None = None

    def spec(self, name: str) -> HostSpec:
        """As the driver takes it."""
        own = self.network.network if self.network else None
        return HostSpec(name, self.uri, self.identity, self.pool, own)


class LibvirtInputs(GroupInputs):
    """What a group on libvirt hosts needs beside what every group needs.

    Attributes:
        image: Address or path of what the machines boot.
        sha256: Its sum; empty when the user takes whatever is there.
        endpoints: ``https://host:port`` of the pool service.
        proxy: ``http``, ``https``, and ``no_proxy`` apart by commas.
    """

    hosts: Mapping[str, HostInputs]
    network: NetworkInputs
    machine: Machine
    arch: Arch
    init: Init
    image: str
    sha256: str = ""
    endpoints: tuple[str, ...] = ()
    proxy: Mapping[str, str] = {}
    ntp: tuple[str, ...] = ()
    logs: str = ""


class LibvirtNodeGroup(NodeGroup[LibvirtInputs]):
    """``vdc:libvirt:NodeGroup``."""

    token = "vdc:libvirt:NodeGroup"  # noqa: S105 - a type token
    inputs = LibvirtInputs

    def ready_s(self, inputs: LibvirtInputs) -> int:
        """Without KVM a machine boots ten times slower than a container."""
        return 300 if inputs.machine == "lxc" else 900

    def driver(self, inputs: LibvirtInputs, nomad: Nomad | None) -> LibvirtDriver:
        """Domains on the declared hosts; each work node is admitted by name."""
        home = Home.of_user()
        forced = os.environ.get(FORCE_VARIABLE) == "1"
        packed = software(inputs, inputs.arch, _agent_program(inputs.arch), home)
        template = _template(inputs, packed.sha256)
        briefing = _briefing(inputs, packed.sha256)
        dialled = dict(template.dialled)

        def userdata(name: str, secret: str, _: str) -> Mapping[str, str]:
            boot = briefing.boot(name, secret)
            if inputs.init == "ignition":
                return {"config.ign": ignition(boot)}
            text = user_data(boot)
            files = {"user-data": text, "meta-data": meta_data(boot, text)}
            network = network_config(Names(template.realm).mac(name), dialled.get(name, ""))
            return {**files, "network-config": network} if network else files

        async def admit(name: str) -> str:
            if inputs.role == "server":
                return ""
            if nomad is None:
                raise SchedulerError("a work node can be admitted only by the scheduler")
            return await admission.admit(nomad, name, inputs.site, inputs.group)

        async def revoke(name: str) -> None:
            if nomad is None or inputs.role == "server":
                return
            try:
                await admission.revoke(nomad, name)
            except SchedulerError:
                if not forced:  # with it, nobody is left to ask and the user has said to go on
                    raise

        async def living() -> Collection[str]:
            try:
                nodes = await nomad.nodes() if nomad is not None else ()
            except SchedulerError:
                return ()  # it knows nobody; whether that matters, the group logic says
            return [node.name for node in nodes if node.status == "ready"]

        return LibvirtDriver(
            template,
            userdata,
            ledger.path(inputs.stack, inputs.owner),
            admit=admit,
            revoke=revoke,
            living=living,
            force=forced,
            payload=Payload(packed.path, packed.sha256, home.cache / "disks"),
        )

    async def create(self, call: Call, inputs: LibvirtInputs) -> Made:
        """See the group logic; what nodes shared and none uses any more goes at the end."""
        made = await super().create(call, inputs)
        try:
            await self.driver(inputs, None).tidy()
        except NodeError as error:
            return Made(made.outputs, (*made.problems, str(error)))
        return made

    async def delete(self, call: Call, inputs: LibvirtInputs, old: Outputs) -> None:
        """Likewise."""
        await super().delete(call, inputs, old)
        try:
            await self.driver(inputs, None).tidy()
        except NodeError as error:
            raise StackError(str(error)) from error


def _template(inputs: LibvirtInputs, payload: str) -> Template:
    return Template(
        realm=realm(inputs.datacenter, inputs.stack, inputs.ca_cert),
        owner=inputs.owner,
        site=inputs.site,
        prefix=inputs.prefix,
        names=inputs.names,
        hosts=tuple(host.spec(name) for name, host in sorted(inputs.hosts.items())),
        network=inputs.network.network,
        image=Image(inputs.image, inputs.sha256),
        machine=inputs.machine,
        arch=_MACHINES[inputs.arch],
        init=inputs.init,
        size=Size(
            cpus=-(-inputs.cpu_mhz // _MHZ_PER_CORE),
            memory_mib=inputs.memory_mib,
            disk_mib=inputs.disk_mib,
        ),
        apart=inputs.role == "server",
        payload=payload,
        dialled=tuple(zip(inputs.names, inputs.server_addresses, strict=False)),
    )


def _briefing(inputs: LibvirtInputs, payload: str) -> Briefing:
    role: Work | Carry
    container = inputs.machine == "lxc"
    if inputs.role == "server":
        role = carry(inputs)
    else:
        servers = inputs.scheduler.rpc if inputs.scheduler else ()
        # In a container the agent would measure the whole host.
        role = Work(servers, *((inputs.cpu_mhz, inputs.memory_mib) if container else ()))
    return Briefing(
        site=inputs.site,
        group=inputs.group,
        role=role,
        endpoints=inputs.endpoints,
        ca_cert=inputs.ca_cert,
        bundle=BundleSource(payload, PAYLOAD_FOLDER) if container else BundleSource(payload),
        drain_s=inputs.drain_deadline_s,
        proxy=Proxy(
            http=inputs.proxy.get("http", ""),
            https=inputs.proxy.get("https", ""),
            no_proxy=tuple(filter(None, inputs.proxy.get("no_proxy", "").split(","))),
        ),
        ntp=inputs.ntp,
        logs=inputs.logs,
    )


def _agent_program(arch: Arch) -> Path:
    """The agent's program for machines of this architecture."""
    found = shutil.which("nomad")
    if found is None:
        raise ToolchainError(
            'nomad is not on PATH; run `vdc toolchain install`, then `eval "$(vdc env)"`'
        )
    if platform.machine() not in (_MACHINES[arch], arch):
        raise ToolchainError(
            f"nodes are {arch} and nomad on PATH is for {platform.machine()}; run this from a "
            f"machine of their architecture"
        )
    return Path(found)
