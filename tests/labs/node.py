"""One node of a cloud that boots none: the labs' image in namespaces, on a lab's bridge."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
import subprocess
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import yaml

from labs import cgroups
from labs.images import machine_image
from labs.netns import Namespace
from labs.processes import kill, output
from nomad_lab import wait_for

BRIDGE = "lan"
"""The bridge in a lab's network that nodes are on."""

_SCRIPT = Path(__file__).with_name("boot.sh")
_DISK = "8G"  # sparse
_REBOOTED = -1  # reboot(2) in a PID namespace ends its first process by SIGHUP


class Lab(Protocol):
    """What nodes need of a lab."""

    @property
    def name(self) -> str:
        """At most 16 of ``a-z0-9-``; control groups and namespaces are named after it."""

    @property
    def folder(self) -> Path:
        """On a disk: nodes write below it."""

    @property
    def network(self) -> Namespace:
        """This side, with the bridge :data:`BRIDGE`."""


@dataclass(frozen=True)
class Instance:
    """A machine as the API shows it.

    Attributes:
        id: What the cloud calls it; ``local-hostname`` and ``instance-id`` may differ.
        user_data: As read back from the API, decoded from what that encodes it in.
        address: IPv4, inside the subnet of ``gateway`` and ``prefix_len``; this side gets the
            gateway's address on the bridge.
        meta: More of NoCloud's metadata.
        root: Image in place of the labs' own, as :func:`labs.images.variant` makes it.
        running: Off when false: nothing runs, and the disk is kept.
    """

    id: str
    name: str
    user_data: bytes = field(repr=False)
    address: str
    gateway: str
    prefix_len: int
    meta: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    running: bool = True


class Node:
    """The machine of one instance, known by the lab's name and the instance's id."""

    def __init__(self, lab: Lab, id: str) -> None:  # noqa: A002
        self._lab = lab
        self.id = id
        self.folder = lab.folder / "nodes" / id
        self._short = hashlib.sha256(id.encode()).hexdigest()[:8]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def network(self) -> Namespace:
        """Its network: loopback and ``eth0``."""
        return Namespace(f"vdc-{self._lab.name}-{self._short}")

    @property
    def console(self) -> str:
        """What it has written to its console since it was made."""
        return (self.folder / "console").read_text(errors="replace")

    @property
    def up(self) -> bool:
        """Whether it was powered on and not off; it may have ended since."""
        return self._process is not None

    @property
    def runs(self) -> bool:
        """Whether its first process runs: not when it has powered itself off, or crashed."""
        return self._process is not None and self._process.poll() is None

    @property
    def rebooted(self) -> bool:
        """Whether it has ended in order to start again."""
        return self._process is not None and self._process.poll() == _REBOOTED

    # --- use ------------------------------------------------------------------------

    def command(self, *words: str) -> tuple[str, ...]:
        """A command, to be run on it."""
        return ("nsenter", "-t", str(self._init()), "--all", "--", *words)

    def run(self, *words: str) -> str:
        """Runs a command on it; its output.

        Raises:
            AssertionError: It failed; with what it said.
        """
        return output(self.command(*words))

    def booted(self, within_s: float = 120) -> None:
        """Returns when cloud-init is done.

        Raises:
            AssertionError: It is not in time, or reports errors.
        """
        result = wait_for(f"cloud-init of {self.id}", self._result, within_s)
        assert result["errors"] == [], self.console

    def unplug(self) -> None:
        """Takes its network cable."""
        self._lab.network.ip("link", "set", self._port, "down")

    def plug(self) -> None:
        """Puts it back."""
        self._lab.network.ip("link", "set", self._port, "up")

    # --- life -----------------------------------------------------------------------

    def boot(self, instance: Instance) -> None:
        """Powers it on; it is off. Its disk is made if it has none."""
        if not (self.folder / "disk").exists():
            self._make(instance)
        self._plug_in(instance)
        image = _raw(self._lab, instance.root or machine_image().root)
        start = self.network.command(
            *("unshare", "--cgroup", "--mount", "--pid", "--uts", "--ipc", "--fork"),
            *("--kill-child", str(_SCRIPT), str(self.folder), str(image)),
        )
        with (self.folder / "boot.log").open("ab") as log:
            self._process = subprocess.Popen(
                cgroups.entering(cgroups.make(self._group), *start),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """Ends it at once, as a cut of its power does; the disk is kept."""
        kill(self.folder)
        if self._process is not None:
            self._process.wait()
            self._process = None
        cgroups.remove(cgroups.find(self._group))
        self.network.remove()

    def remove(self) -> None:
        """Ends it and removes all of it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- inner ----------------------------------------------------------------------

    @property
    def _group(self) -> str:
        return f"vdc-lab-{self._lab.name}-{self._short}"

    @property
    def _port(self) -> str:
        return f"n{self._short}"

    def _init(self) -> int:
        """PID 1 of its PID namespace; asked for often, so nothing is searched for it."""
        if self._process is not None:
            unshare = str(self._process.pid)  # what was started has become it
            with suppress(OSError):  # it may be rebooting just now
                if inner := Path("/proc", unshare, "task", unshare, "children").read_text().split():
                    return int(inner[0])
        log = self.folder / "boot.log"
        raise AssertionError(f"{self.id} is off: {log.read_text() if log.exists() else 'new'}")

    def _result(self) -> dict[str, list[str]] | None:
        """What cloud-init says at its end; looked at from outside, for it is busy booting."""
        try:
            root = Path("/proc", str(self._init()), "root")
            text = (root / "run/cloud-init/result.json").read_text()
        except (AssertionError, OSError):
            return None
        found: dict[str, list[str]] = json.loads(text)["v1"]
        return found

    def _make(self, instance: Instance) -> None:
        seed = self.folder / "seed"
        seed.mkdir(parents=True)
        meta = {"instance-id": instance.id, "local-hostname": instance.name, **instance.meta}
        (seed / "meta-data").write_text(yaml.safe_dump(meta))
        (seed / "user-data").write_bytes(instance.user_data)
        (seed / "network-config").write_text(yaml.safe_dump(_network(instance)))
        (self.folder / "console").touch()
        disk = str(self.folder / "disk")
        output(("mke2fs", "-q", "-t", "ext4", "-m", "0", "-O", "^has_journal", disk, _DISK))

    def _plug_in(self, instance: Instance) -> None:
        """A cable to the bridge, which has the address of the subnet's gateway."""
        lan, mac = self._lab.network, zlib.crc32(self.id.encode()).to_bytes(4, "big").hex(":")
        lan.ip("address", "replace", f"{instance.gateway}/{instance.prefix_len}", "dev", BRIDGE)
        self.network.make()
        peer = ("peer", "name", "eth0", "address", f"52:54:{mac}", "netns", self.network.name)
        lan.ip("link", "add", "name", self._port, "type", "veth", *peer)
        lan.ip("link", "set", self._port, "master", BRIDGE, "up")


def remove_nodes(lab: Lab) -> None:
    """Ends and removes every node of a lab, also those that another process has left."""
    for folder in (lab.folder / "nodes").glob("*"):
        Node(lab, folder.name).remove()


def _network(instance: Instance) -> dict[str, object]:
    """NoCloud's network configuration: exactly the one address."""
    subnet = ipaddress.ip_interface(f"{instance.gateway}/{instance.prefix_len}").network
    assert ipaddress.ip_address(instance.address) in subnet, f"{instance.address} not in {subnet}"
    interface = {
        "addresses": [f"{instance.address}/{instance.prefix_len}"],
        "gateway4": instance.gateway,
        "nameservers": {"addresses": [instance.gateway]},
    }
    return {"version": 2, "ethernets": {"eth0": interface}}


def _raw(lab: Lab, image: Path) -> Path:
    """The image as it can be mounted, once for all nodes of the lab."""
    made = lab.folder / f"{hashlib.sha256(str(image).encode()).hexdigest()[:8]}.raw"
    if not made.exists():
        half = made.with_suffix(".half")
        output(("qemu-img", "convert", "-O", "raw", str(image), str(half)))
        half.rename(made)
    return made
