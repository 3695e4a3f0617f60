"""The volumes of one realm on one host: made whole or not at all, found by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vdc.errors import NodeError
from vdc.provider.drivers.libvirt import xml
from vdc.provider.drivers.libvirt.hosts import Host
from vdc.provider.drivers.libvirt.image import flowing
from vdc.provider.drivers.libvirt.model import Image
from vdc.provider.drivers.libvirt.names import Names
from vdc.provider.drivers.libvirt.sdk import libvirt, parsed, present
from vdc.provider.drivers.libvirt.transfer import Send
from vdc.provider.drivers.libvirt.xml import Format

_FOLDER = "/var/lib/libvirt/images"
# Volumes of these pools are files, which can be backing stores and containers' file systems.
_OF_FILES = ("dir", "fs", "netfs")
_WHOLE = ".whole"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Volume:
    """A volume by its name, where it is, and how much it holds, in bytes."""

    name: str
    path: str
    format: Format
    capacity: int


class Store:
    """Volumes of ours on a host. All of it blocks.

    Args:
        host: The host.
        names: Names in the realm.
        send: Writes a volume's content.
    """

    def __init__(self, host: Host, names: Names, send: Send) -> None:
        self._host = host
        self._names = names
        self._send = send

    def pool(self) -> Any | None:
        """The pool that holds our volumes, active; None while there is none."""
        name = self._host.spec.pool or self._names.pool
        with self._host.shared.pools:
            pool = present(self._host.connection.storagePoolLookupByName, name)
            if pool is not None and not pool.isActive():
                self._activate(pool)
            return pool

    def _activate(self, pool: Any) -> None:
        if not self._host.spec.pool:
            pool.build(0)  # whoever defined it may have been cut before this
        pool.create(0)

    def open(self) -> Any:
        """The pool that holds our volumes, made when it is ours to make."""
        with self._host.stage("storage pool"), self._host.shared.pools:
            pool = self.pool()
            if pool is None and self._host.spec.pool:
                raise NodeError(
                    f"{self._host.label}: has no storage pool {self._host.spec.pool}; "
                    "make it, or leave `pool` out of the declaration"
                )
            if pool is None:
                path = f"{_FOLDER}/{self._names.folder}"
                text = xml.pool(self._names.pool, path)
                pool = self._host.connection.storagePoolDefineXML(text, 0)
                self._activate(pool)
                pool.setAutostart(1)
            kind = parsed(pool.XMLDesc(0)).get("type", "")
            if kind not in _OF_FILES:
                raise NodeError(
                    f"{self._host.label}: storage pool {pool.name()} is of type {kind}; nodes need "
                    f"one of {', '.join(_OF_FILES)}"
                )
            return pool

    def ours(self) -> dict[str, Any]:
        """Every volume of the realm, by name; one question to the host."""
        pool = self.pool()
        found = pool.listAllVolumes(0) if pool is not None else ()
        named = {volume.name(): volume for volume in found}
        return {name: named[name] for name in named if self._names.is_ours(name)}

    def base(self, image: Image, *, file_system: bool) -> Volume:
        """The image as a volume, fetched and written when it is not there whole.

        Args:
            image: What is to be fetched.
            file_system: Whether it has to be one file system, without a partition table.

        Raises:
            NodeError: It cannot be had, or is not what was declared; nothing of it is left.
        """
        pool = self.open()
        for kind in ("qcow2", "raw"):
            name = self._names.shared("base", image.key, f".{kind}")
            if self._whole(pool, name):
                return _volume(pool.storageVolLookupByName(name))
        with self._host.stage("base image"), flowing(image) as flow:
            if file_system and flow.format == "raw" and not flow.file_system:
                raise NodeError(
                    f"image {image.source}: is a whole disk; a container needs an image of one "
                    "file system"
                )
            name = self._names.shared("base", image.key, f".{flow.format}")
            made = self._write(pool, name, flow.format, flow.capacity, flow.chunks)
            self._seal(pool, name)
            return made

    def shared(self, name: str, content: Callable[[], Path]) -> Volume:
        """A volume named by its content, written when it is not there whole."""
        pool = self.open()
        if not self._whole(pool, name):
            with self._host.stage("payload"), content().open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                chunks = iter(lambda: file.read(_CHUNK), b"")
                self._write(pool, name, "raw", size, chunks)
                self._seal(pool, name)
        return _volume(pool.storageVolLookupByName(name))

    def label(self, node: str) -> None:
        """Says whose the volumes are that follow; there already is success."""
        name, pool = self._names.label(node), self.open()
        if present(pool.storageVolLookupByName, name) is None:
            pool.createXML(xml.volume(name, 1, "raw"), 0)

    def write(self, name: str, content: bytes) -> Volume:
        """A volume of one node with this content."""
        return self._write(self.open(), name, "raw", len(content), [content])

    def blank(self, name: str) -> Volume:
        """An empty file that somebody else will write."""
        return _volume(self.open().createXML(xml.volume(name, 0, "raw"), 0))

    def overlay(self, name: str, base: Volume, capacity: int) -> Volume:
        """A disk that reads from the base and keeps only what differs."""
        size = max(capacity, base.capacity)
        text = xml.volume(name, size, "qcow2", (base.path, base.format))
        return _volume(self.open().createXML(text, 0))

    def clone(self, name: str, base: Volume, capacity: int) -> Volume:
        """A raw disk of its own with the base's content, which the host unpacks."""
        text = xml.volume(name, max(capacity, base.capacity), "raw")
        source = self._host.connection.storageVolLookupByPath(base.path)
        return _volume(self.open().createXMLFrom(text, source, 0))

    def remove(self, names: Iterable[str]) -> None:
        """Removes volumes; what is not there is as good as removed."""
        pool = self.pool()
        for name in names:
            volume = pool and present(pool.storageVolLookupByName, name)
            if volume:
                present(volume.delete, 0)

    def remove_node(self, node: str) -> None:
        """Removes everything that one node has, its label last."""
        head = self._names.of_node(node)
        self.remove([name for name in self.ours() if name.startswith(head)])
        self.remove([self._names.label(node)])

    def close(self) -> None:
        """Removes the pool of ours with its folder and whatever is in it."""
        if self._host.spec.pool:
            return
        with self._host.stage("storage pool"), self._host.shared.pools:
            pool = self.pool()
            if pool is None:
                return
            # The host's log daemon puts old parts of a console's log beside it, unseen until now.
            pool.refresh(0)
            self.remove(self.ours())
            pool.destroy()
            pool.delete(0)
            pool.undefine()

    def remove_unused(self, used: Collection[str]) -> None:
        """Removes the volumes that belong to no node and are not among ``used``."""
        shared = filter(self._names.is_shared, self.ours())
        self.remove([name for name in shared if name.removesuffix(_WHOLE) not in used])

    def _write(
        self, pool: Any, name: str, kind: Format, capacity: int, chunks: Iterable[bytes]
    ) -> Volume:
        self.remove([name])
        volume = pool.createXML(xml.volume(name, capacity, kind), 0)
        try:
            self._send(self._host.connection, volume, chunks)
        except BaseException:
            # Without the answer of a host that is gone the cause is still the better message.
            self._discard(volume)
            raise
        return _volume(volume)

    def _discard(self, volume: Any) -> None:
        try:
            volume.delete(0)
        except libvirt().libvirtError:
            return  # not sealed, so the next run writes it anew

    def _whole(self, pool: Any, name: str) -> bool:
        """Whether a shared volume was written to its end: its seal was made after it."""
        look = pool.storageVolLookupByName
        return all(present(look, each) is not None for each in (name + _WHOLE, name))

    def _seal(self, pool: Any, name: str) -> None:
        pool.createXML(xml.volume(name + _WHOLE, 1, "raw"), 0)


def _volume(volume: Any) -> Volume:
    described = parsed(volume.XMLDesc(0))
    kind = described.find("target/format")
    return Volume(
        name=volume.name(),
        path=described.findtext("target/path", ""),
        format="qcow2" if kind is not None and kind.get("type") == "qcow2" else "raw",
        capacity=int(volume.info()[1]),
    )
