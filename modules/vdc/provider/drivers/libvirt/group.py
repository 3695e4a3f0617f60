"""A group of nodes on libvirt hosts as a Pulumi resource: its inputs, and the driver they make."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vdc.bootstrap import layout
from vdc.bootstrap.cloudinit import meta_data, user_data
from vdc.bootstrap.ignition import ignition
from vdc.bootstrap.node import BundleSource
from vdc.declaration.os import MACHINES, Arch
from vdc.errors import SchedulerError
from vdc.home import Home
from vdc.provider.door import door
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
    Template,
)
from vdc.provider.drivers.libvirt.names import Names, realm
from vdc.provider.machines import MachineInputs, briefing, software
from vdc.provider.permissions import permitted
from vdc.provider.resource import Inputs
from vdc.provider.resources.node_group import NodeGroup
from vdc.scheduler.client import Nomad


class NetworkInputs(Inputs):
    """Exactly one of the two."""

    bridge: str = ""
    nat: str = ""
    closed: bool = False

    @property
    def network(self) -> Network:
        """As the driver takes it."""
        return Bridge(self.bridge) if self.bridge else Nat(self.nat, self.closed)


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


class LibvirtInputs(MachineInputs):
    """What a group on libvirt hosts needs beside what every group of machines needs.

    Attributes:
        image: Address or path of what the machines boot.
        sha256: Its sum; empty when the user takes whatever is there.
    """

    hosts: Mapping[str, HostInputs]
    network: NetworkInputs
    machine: Machine
    arch: Arch
    init: Init
    image: str
    sha256: str = ""


class LibvirtNodeGroup(NodeGroup[LibvirtInputs]):
    """``vdc:libvirt:NodeGroup``."""

    token = "vdc:libvirt:NodeGroup"  # noqa: S105 - a type token
    inputs = LibvirtInputs

    def ready_s(self, inputs: LibvirtInputs) -> int:
        """Without KVM a machine boots ten times slower than a container."""
        return 300 if inputs.machine == "lxc" else 900

    def driver(self, inputs: LibvirtInputs, nomad: Nomad | None) -> LibvirtDriver:
        """Domains on the declared hosts; each work node is admitted by name."""
        packed = software(inputs, inputs.arch)
        template = _template(inputs, packed.sha256)
        container = inputs.machine == "lxc"
        source = BundleSource(packed.sha256, PAYLOAD_FOLDER if container else layout.PAYLOAD)
        # In a container the agent would measure the whole host.
        told = briefing(inputs, source, bounded=container)
        dialled = dict(template.dialled)

        def userdata(name: str, secret: str, _: str) -> Mapping[str, str]:
            boot = told.boot(name, secret)
            if inputs.init == "ignition":
                return {"config.ign": ignition(boot)}
            text = user_data(boot)
            files = {"user-data": text, "meta-data": meta_data(boot, text)}
            network = network_config(Names(template.realm).mac(name), dialled.get(name, ""))
            return {**files, "network-config": network} if network else files

        async def living() -> Collection[str]:
            try:
                nodes = await nomad.nodes() if nomad is not None else ()
            except SchedulerError:
                return ()  # it knows nobody; whether that matters, the group logic says
            return [node.name for node in nodes if node.status == "ready"]

        gate = door(inputs, nomad)
        return LibvirtDriver(
            template,
            userdata,
            ledger.path(inputs.stack, inputs.owner),
            admit=gate.admit,
            revoke=gate.revoke,
            living=living,
            forget_silent=permitted().forget_silent,
            payload=Payload(packed.path, packed.sha256, Home.of_user().cache / "disks"),
        )


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
        arch=MACHINES[inputs.arch],
        init=inputs.init,
        size=inputs.size,
        apart=inputs.role == "server",
        payload=payload,
        dialled=tuple(zip(inputs.names, inputs.server_addresses, strict=False)),
    )
