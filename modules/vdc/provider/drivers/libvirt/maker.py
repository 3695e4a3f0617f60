"""What one group does on one host: makes, starts, grows and removes its nodes. All of it blocks."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vdc.errors import NodeError
from vdc.provider.drivers.libvirt import disks, marks, transfer, xml
from vdc.provider.drivers.libvirt.capability import machine_type
from vdc.provider.drivers.libvirt.common import Common, Payload, using
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.marks import Mark
from vdc.provider.drivers.libvirt.model import Template
from vdc.provider.drivers.libvirt.names import LONGEST_LOOP_PATH, Names, digest
from vdc.provider.drivers.libvirt.removal import definition, owned_domain, remove
from vdc.provider.drivers.libvirt.sdk import libvirt
from vdc.provider.drivers.libvirt.store import Store, Volume
from vdc.provider.drivers.libvirt.transfer import Send

# Not below /run, where a container's systemd mounts a folder of its own over what is there.
PAYLOAD_FOLDER = Path("/var/lib/vdc-payload")
SEED_LABEL = "cidata"
SEED_FOLDER = "/var/lib/cloud/seed/nocloud"

_MIB = 1 << 20
_LOOP_RACES = 20
_LOOP_TAKEN = "to loop device: Device or resource busy"


class Maker:
    """One group on one host.

    Args:
        template: The group.
        host: The host.
        payload: What is delivered beside the user data.
        send: Writes a volume's content.
    """

    def __init__(
        self,
        template: Template,
        host: Host,
        payload: Payload | None = None,
        send: Send = transfer.send,
    ) -> None:
        self._template = template
        self._host = host
        self._payload = payload
        self._names = Names(template.realm)
        self._store = Store(host, self._names, send)

    @cached_property
    def type(self) -> str:
        """What this host makes for the group."""
        return machine_type(self._host, self._template.arch, self._template.machine)

    def make(self, mark: Mark, files: Mapping[str, str]) -> None:
        """Makes and starts a node; what an earlier attempt left of it is removed first.

        Args:
            mark: The node's mark, stage and essence still open.
            files: Its user data.

        Raises:
            ForeignNodeError: A domain of that name is not this group's.
            NodeError: The text names host and stage.
        """
        self.remove(mark.node)
        container = self.type == "lxc"
        with using(
            self._host, self._store, self._template, self._payload, container=container
        ) as common:
            with self._host.stage("disks"):
                wanted = self._domain(mark.node, common, files)
            with self._host.stage("definition"):
                marked = xml.domain(wanted, replace(mark, uses=" ".join(common.names)))
                domain = self._host.connection.defineXML(marked)
        self._start(domain)

    def start(self, name: str) -> None:
        """Starts a node that has stopped, or was suspended."""
        domain = self._ours(name)
        if domain is None:
            raise NodeError(f"{self._host.label}: {name} is gone")
        with self._host.stage("start"):
            if domain.info()[0] == libvirt().VIR_DOMAIN_PAUSED:
                domain.resume()
                return
            if domain.isActive():  # it is shutting down, or hangs in it
                domain.destroy()
        self._start(domain)

    def resize(self, name: str, mark: Mark) -> None:
        """Gives a running machine the template's processors and memory, now and for later boots.

        Raises:
            NodeError: libvirt refused.
        """
        domain = self._ours(name)
        if domain is None:
            raise NodeError(f"{self._host.label}: {name} is gone")
        size = self._template.size
        binding = libvirt()
        with self._host.stage("resize"):
            for scope in (binding.VIR_DOMAIN_AFFECT_LIVE, binding.VIR_DOMAIN_AFFECT_CONFIG):
                domain.setVcpusFlags(size.cores, scope)
                domain.setMemoryFlags(size.memory_mib * 1024, scope)
            made = definition(domain)
            self._write_mark(domain, replace(mark, essence=str(marks.essence(made))))

    def remove(self, name: str) -> None:
        """See :func:`~vdc.provider.drivers.libvirt.removal.remove`."""
        remove(self._host, self._names, self._template.owner, name)

    def _domain(self, name: str, common: Common, files: Mapping[str, str]) -> xml.Domain:
        size = self._template.size
        wanted = xml.Domain(
            name=name,
            type=self.type,
            arch=self._template.arch,
            cpus=size.cores,
            memory_mib=size.memory_mib,
            mac=self._names.mac(name),
            network=common.network,
        )
        base, payload = common.base, common.payload
        self._store.label(name)
        seed = self._seed(name, files)
        capacity = size.disk_mib * _MIB
        if self.type == "lxc":
            root = self._store.clone(self._names.disk(name), base, capacity)
            mounts = [
                xml.Mount(root.path, "/", readonly=False),
                xml.Mount(seed.path, SEED_FOLDER),
            ]
            if payload:
                mounts.append(xml.Mount(payload.path, str(PAYLOAD_FOLDER)))
            self._check_lengths(mounts)
            return replace(wanted, mounts=tuple(mounts))
        root = self._store.overlay(self._names.disk(name), base, capacity)
        drives = [xml.Disk(root.path, "qcow2")]
        if self._template.init == "cloud-init":
            drives.append(xml.Disk(seed.path, "raw", readonly=True))
        if payload:
            drives.append(xml.Disk(payload.path, "raw", readonly=True))
        return replace(
            wanted,
            disks=tuple(drives),
            firmware=seed.path if self._template.init == "ignition" else "",
            console=self._store.blank(self._names.console(name)).path,
        )

    def _check_lengths(self, mounts: Iterable[xml.Mount]) -> None:
        for mount in mounts:
            if len(mount.path.encode()) > LONGEST_LOOP_PATH:
                raise NodeError(
                    f"{self._host.label}: {mount.path} is longer than the {LONGEST_LOOP_PATH} "
                    "bytes that a container's disk may have; choose a pool with a shorter path"
                )

    def _seed(self, name: str, files: Mapping[str, str]) -> Volume:
        """The user data as a volume whose name changes with every letter of it."""
        if self._template.init == "ignition":
            (content,) = (text.encode() for text in files.values())
            kind = "ign"
        else:
            disk: disks.DiskFormat = "ext4" if self.type == "lxc" else "iso"
            kind, content = disk, disks.from_texts(disk, SEED_LABEL, files)
        sha256 = digest(kind, *(part for pair in sorted(files.items()) for part in pair))
        return self._store.write(self._names.seed(name, sha256), content)

    def _start(self, domain: Any) -> None:
        with self._host.stage("start"):
            if self.type == "lxc":
                with self._host.shared.starting:
                    create_container(domain)
            else:
                domain.create()
            domain.setAutostart(1)
            mark = marks.mark(definition(domain))
            if mark and mark.stage != "booted":
                self._write_mark(domain, replace(mark, stage="booted"))

    def _write_mark(self, domain: Any, mark: Mark) -> None:
        binding = libvirt()
        domain.setMetadata(
            binding.VIR_DOMAIN_METADATA_ELEMENT,
            ET.tostring(mark.element(namespace=""), encoding="unicode"),
            marks.KEY,
            marks.NAMESPACE,
            binding.VIR_DOMAIN_AFFECT_CONFIG,
        )

    def _ours(self, name: str) -> Any | None:
        return owned_domain(self._host, self._names, self._template.owner, name)


def create_container(domain: Any) -> None:
    """Starts a container; at once again when something else was given its loop device.

    On its kernel there may be others who take such devices. Who loses has lost to somebody who
    has the device now, so the next attempt is at another one.
    """
    for _ in range(_LOOP_RACES):
        try:
            domain.create()
        except libvirt().libvirtError as error:
            if _LOOP_TAKEN not in str(error):
                raise
        else:
            return
    domain.create()
