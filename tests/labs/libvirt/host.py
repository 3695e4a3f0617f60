"""One machine of the lab that runs libvirtd, in namespaces and control groups of its own."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from labs.netns import Namespace
from labs.processes import kill, output
from nomad_lab import wait_for
from vdc.provider import processes

BRIDGE = "br0"
UPLINK = "uplink"
_SCRIPT = Path(__file__).with_name("host.sh")
# What libvirt keeps, with those folders that its packages bring and it does not make.
_STATE = ("run", "etc", "lib/images", "log/qemu", "cache")
_IMAGES = Path("/var/lib/libvirt/images")
_PID_FILE = Path("/run/libvirt/libvirtd.pid")
# No security driver confines what runs in a lab's folder, and device namespaces inside ours fail.
_QEMU_CONF = 'namespaces = []\nsecurity_driver = "none"\n'
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Host:
    """A machine with libvirtd; all of it is known by its lab's name and its own.

    Attributes:
        lab: The lab's name.
        name: ``a`` or ``b``.
        folder: Holds what its libvirt keeps.
        address: On the lab network, the bridge ``br0`` has it.
    """

    lab: str
    name: str
    folder: Path
    address: str

    @property
    def lxc(self) -> str:
        """URI of its containers, from anywhere on this machine."""
        return f"lxc+unix:///system?socket={self._socket}"

    @property
    def qemu(self) -> str:
        """URI of its virtual machines, from anywhere on this machine."""
        return f"qemu+unix:///system?socket={self._socket}"

    def over_ssh(self, driver: str) -> str:
        """URI through its SSH server, from inside the lab network; ``lxc`` or ``qemu``."""
        return f"{driver}+ssh://root@{self.address}/system?command={self.folder / 'ssh' / 'client'}"

    @property
    def identity(self) -> str:
        """The UUID that its libvirt says the machine has."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.lab}/{self.name}"))

    @property
    def network(self) -> Namespace:
        """Its network: ``br0``, which is part of the lab network, and what libvirt adds."""
        return Namespace(f"vdc-{self.lab}-{self.name}")

    @property
    def images(self) -> Path:
        """Its folder for volumes, as libvirt there names it."""
        return _IMAGES

    @property
    def logs(self) -> Path:
        """Logs of domains: ``lxc/NAME.log``, ``qemu/NAME.log``."""
        return self.folder / "log"

    def seen(self, path: Path) -> Path:
        """A file of the host, as this side names it while the host is up."""
        return Path(f"/proc/{self._init.pid}/root{path}")

    # --- commands -------------------------------------------------------------------

    def command(self, *words: str) -> tuple[str, ...]:
        """A command, to be run on the host, that is in all its namespaces."""
        enter = ("nsenter", "-t", str(self._init.pid), "-m", "-p", "-n", "-C", "--")
        return (*enter, *words)

    def run(self, *words: str) -> str:
        """Runs a command on the host; its output.

        Raises:
            AssertionError: It failed; with what it said.
        """
        return output(self.command(*words))

    def virsh(self, uri: str, *words: str) -> str:
        """Runs ``virsh`` here against a URI of the host; its output."""
        return output(("virsh", "--quiet", "--connect", uri, *words))

    def held(self) -> Iterator[str]:
        """Domains, networks and storage pools of its libvirt, and the files of volumes."""
        for uri in (self.lxc, self.qemu):
            for name in self.virsh(uri, "list", "--all", "--name").split():
                yield f"domain {name}"
        for kind in ("net", "pool"):
            for name in self.virsh(self.lxc, f"{kind}-list", "--all", "--name").split():
                yield f"{kind} {name}"
        for file in self.run("find", str(_IMAGES), "-mindepth", "1").splitlines():
            yield f"file {file}"

    # --- life -----------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether its libvirtd answers."""
        return subprocess.run(
            ["virsh", "--connect", self.lxc, "version"], capture_output=True
        ).returncode == 0  # fmt: skip

    def start(self) -> None:
        """Starts the machine, which must be down; returns when its libvirtd answers."""
        for part in _STATE:
            (self.folder / part).mkdir(parents=True)
        configuration = self.folder / "etc"
        shutil.copytree("/etc/libvirt", configuration, dirs_exist_ok=True, symlinks=True)
        for network in (configuration / "qemu" / "networks").glob("autostart/*"):
            network.unlink()
        (configuration / "qemu.conf").write_text(_QEMU_CONF)
        (configuration / "libvirtd.conf").write_text(f'host_uuid = "{self.identity}"\n')
        self._write_ssh()
        words = (str(_SCRIPT), str(self.folder), str(self.network.path), self._group)
        log = self.folder / "host.log"
        started = processes.start(words, self.folder, log)

        def answers() -> bool:
            assert processes.alive(started), log.read_text()
            return self.up

        wait_for(f"libvirtd of host {self.name}", answers)

    def stop(self) -> None:
        """Ends the machine with all that runs on it, as a loss of power would."""
        kill(self.folder)
        for group in _CONTROL_GROUPS.glob(f"*/{self._group}"):
            _remove_groups(group)
        _remove_groups(_CONTROL_GROUPS / self._group)
        # The kernel lets go of a loop device when its last mount has gone, which it does by itself.
        wait_for("loop devices to go", lambda: not self._loops())

    # --- faults ---------------------------------------------------------------------

    def kill_libvirtd(self) -> None:
        """SIGKILL to its libvirtd; domains live on."""
        pid = self._libvirtd_pid()
        self.run("kill", "-KILL", pid)
        wait_for("libvirtd to end", lambda: not self.seen(Path("/proc", pid)).exists())

    def start_libvirtd(self) -> None:
        """Starts libvirtd again; returns when it answers."""
        self.run(str(_SCRIPT), str(self.folder), "libvirtd")
        wait_for(f"libvirtd of host {self.name}", lambda: self.up)

    def unplug(self) -> None:
        """Takes the cable from its bridge: nothing on the lab network reaches it."""
        self.network.ip("link", "set", UPLINK, "down")

    def plug(self) -> None:
        """Puts the cable back."""
        self.network.ip("link", "set", UPLINK, "up")

    @contextmanager
    def small_storage(self, mib: int) -> Iterator[Callable[[int], None]]:
        """Its folder for volumes is an empty one on a file system of this size meanwhile.

        Gives a function that changes the size, as an administrator would who adds a disk.
        """
        where = str(_IMAGES)
        self.run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=711", "tmpfs", where)

        def resize(mib: int) -> None:
            self.run("mount", "-o", f"remount,size={mib}m", where)

        try:
            yield resize
        finally:
            self.run("umount", "--lazy", where)

    # --- inner ----------------------------------------------------------------------

    @property
    def _socket(self) -> Path:
        return self.folder / "run" / "libvirt-sock"

    @property
    def _group(self) -> str:
        return f"vdc-lab-{self.lab}-{self.name}"

    @property
    def _init(self) -> psutil.Process:
        """PID 1 of the host's PID namespace."""
        for process in processes.find(self.folder):
            with suppress(psutil.NoSuchProcess):
                if process.name() == "tini":
                    return process
        raise AssertionError(f"host {self.name} of lab {self.lab} is down")

    def _write_ssh(self) -> None:
        """Keys and configuration of its SSH server, and a client that knows and may."""
        ssh = self.folder / "ssh"
        ssh.mkdir()
        for key in ("host_key", "user_key"):
            output(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh / key)))
        public = (ssh / "host_key.pub").read_text()
        (ssh / "known_hosts").write_text(f"{self.address} {public}")
        (ssh / "sshd_config").write_text(
            f"ListenAddress {self.address}\n"
            f"HostKey {ssh / 'host_key'}\n"
            f"AuthorizedKeysFile {ssh / 'user_key.pub'}\n"
            "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        )
        client = ssh / "client"
        client.write_text(
            f"#!/bin/sh\nexec ssh -F none -i {ssh / 'user_key'} -o BatchMode=yes "
            f'-o ConnectTimeout=5 -o UserKnownHostsFile={ssh / "known_hosts"} "$@"\n'
        )
        client.chmod(0o755)

    def _loops(self) -> set[str]:
        """Loop devices on files of this host, found by inode: their paths are the host's own."""
        words = ("losetup", "--list", "--noheadings", "--raw", "-O", "NAME,BACK-INO")
        listed = (line.split() for line in output(words).splitlines())
        # One that is let go while it is listed has no file any more.
        loops = {ino[0]: name for name, *ino in listed if ino}
        images = (self.folder / "lib" / "images").rglob("*")
        return {loops[ino] for path in images if (ino := str(path.stat().st_ino)) in loops}

    def _libvirtd_pid(self) -> str:
        return self.seen(_PID_FILE).read_text().strip()


def _remove_groups(top: Path) -> None:
    """Removes empty control groups, the innermost first."""
    if top.is_dir():
        for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        top.rmdir()
