"""The ssh lab: a bridge in a network namespace, and machines that are namespaces with an sshd.

A machine has a root of its own (an overlay over this machine's), its own processes and network,
and three users: root, ``deploy`` with passwordless sudo, ``guest`` without. Some have a systemd.
The lab's first process holds all of it; when that ends, nothing is left but the lab's folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import psutil

from labs import cgroups
from labs.netns import entered
from vdc.home import Home
from vdc.provider import processes

HERE = Path(__file__).parent
ADDRESS = "10.89.0.254"
"""This side, as the machines see it."""

_PATIENCE_S = 30.0
# Written by the system itself, whoever installs or removes anything.
_SYSTEMS_OWN = (
    *("/var/log/", "/var/cache/", "/var/lib/systemd/"),
    *("/etc/.pwd.lock", "/etc/ld.so.cache", "/etc/machine-id"),
)


class Lab:
    """The lab in a folder of its own; several run side by side."""

    def __init__(self, folder: Path, machines: int = 2, systemd: int = 0) -> None:
        self.folder = folder
        plain = [f"m{index}" for index in range(1, machines + 1)]
        self._systemd = [f"s{index}" for index in range(1, systemd + 1)]
        self.names = plain + self._systemd
        self.key = folder / "id"
        self._before: dict[str, dict[str, str]] = {}

    # --- life -----------------------------------------------------------------------

    def up(self) -> None:
        """Starts the network and every machine."""
        (self.folder / "machines").mkdir(parents=True)
        _keygen(self.key)
        outer = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", str(HERE / "net.sh"), str(self.folder)],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        ready = self.folder / "ready"
        _wait("the lab's network", ready.exists)
        (inner,) = psutil.Process(outer.pid).children()
        (self.folder / "pid").write_text(f"{inner.pid} {inner.create_time()}")
        for name in self.names:
            self._add(name)
            self.boot(name)

    def down(self) -> None:
        """Ends everything and removes the folder."""
        if pid := self.pid():
            groups = [group for name in self.names for group in cgroups.find(self._group(name))]
            process = psutil.Process(pid)
            process.kill()
            _wait("the end of the lab", lambda: not processes.alive(process))
            cgroups.remove(groups)
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def boot(self, name: str) -> None:
        """Powers a machine on and waits for its sshd."""
        home = self.folder / "machines" / name
        hidden = [Home.of_user().cache, Home.of_user().data, HERE.parents[2]]
        init = "systemd" if name in self._systemd else "plain"
        start = [
            *self._enter("-m", "-p"), "ip", "netns", "exec", name, "unshare", "--cgroup", "--mount",
            "--pid", "--uts", "--ipc", "--fork", "--kill-child",
            "sh", str(HERE / "machine.sh"), str(home), name, init, *map(str, hidden),
        ]  # fmt: skip
        if init == "systemd":
            start = cgroups.entering(cgroups.make(self._group(name)), *start)
        log = (self.folder / f"{name}.log").open("ab")
        subprocess.Popen(
            start, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        _wait(f"sshd of {name}", lambda: self._listens(name))

    def power_off(self, name: str) -> None:
        """Ends every process of a machine at once, as a cut of its power does."""
        process = psutil.Process(self.pid(name))
        inside = process.children(recursive=True)
        process.kill()
        _wait(f"the end of {name}", lambda: not any(map(processes.alive, [process, *inside])))
        cgroups.remove(cgroups.find(self._group(name)))

    def reboot(self, name: str) -> None:
        """Power off and on again."""
        self.power_off(name)
        self.boot(name)

    # --- what goes wrong with machines --------------------------------------------------

    def cut(self, name: str) -> None:
        """Pulls a machine's network cable."""
        self._do("ip", "link", "set", f"v-{name}", "down")

    def mend(self, name: str) -> None:
        """Plugs it in again."""
        self._do("ip", "link", "set", f"v-{name}", "up")

    def swap_host_key(self, name: str) -> None:
        """Another machine answers at this one's address."""
        target = self.upper(name) / "etc/ssh/lab_host_key"
        for file in (target, target.with_name("lab_host_key.pub")):
            file.unlink()
        _keygen(target)
        self.reboot(name)

    def set_clock(self, name: str, offset: str) -> None:
        """Every session of root's sees a clock that is so much off (``+2h``); none when empty."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        setting = f"SetEnv LD_PRELOAD={library} FAKETIME={offset}\n" if offset else ""
        (self.upper(name) / "etc/ssh/lab.d/clock.conf").write_text(setting)
        self.reboot(name)

    def shrink_disk(self, name: str, mib: int) -> None:
        """Leaves a machine that much room under ``/var/lib``."""
        small = f"{self.folder}/machines/{name}/small"
        self._do("mkdir", small)
        self._do("mount", "-t", "tmpfs", "-o", f"size={mib}m", "small", small)
        self.reboot(name)

    def restore_disk(self, name: str) -> None:
        """The room it had."""
        self.power_off(name)
        small = f"{self.folder}/machines/{name}/small"
        self._do("umount", small)
        self._do("rmdir", small)
        self.boot(name)

    # --- asked by tests -----------------------------------------------------------------

    def declared(self, name: str, user: str = "root") -> dict[str, str | int]:
        """A machine as a declaration's inventory has it."""
        public = (self.upper(name) / "etc/ssh/lab_host_key.pub").read_text().split()
        return {
            "address": self.address(name),
            "port": 22,
            "user": user,
            "host_key": " ".join(public[:2]),
        }

    def address(self, name: str) -> str:
        """A machine's address in the lab."""
        return f"10.89.0.{self.names.index(name) + 11}"

    def pid(self, name: str = "") -> int:
        """The first process of a machine, or of the lab itself; 0 when it does not run."""
        if name:
            mark = self.folder / "machines" / name
            outer = [p for p in processes.find(mark) if _named(p, "unshare")]
            inner = outer[0].children() if outer else []
            return inner[0].pid if inner else 0
        try:
            pid, started = (self.folder / "pid").read_text().split()
            same = psutil.Process(int(pid)).create_time() == float(started)
        except (OSError, psutil.NoSuchProcess):
            return 0
        return int(pid) if same else 0

    def run(self, name: str, *command: str) -> str:
        """What a command prints inside a machine."""
        done = subprocess.run(
            ["nsenter", "-a", "-t", str(self.pid(name)), "--", *command],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    def upper(self, name: str) -> Path:
        """What a machine has written, as seen from here."""
        return Path(f"/proc/{self.pid()}/root") / str(self.folder)[1:] / "machines" / name / "upper"

    def remember(self, name: str) -> None:
        """Notes what is on a machine, for :meth:`changed`."""
        self._before[name] = self._content(name)

    def changed(self, name: str) -> list[str]:
        """Files that a machine has and had not, has no longer, or has otherwise."""
        now, before = self._content(name), self._before[name]
        return sorted(
            path
            for path in now.keys() | before.keys()
            if now.get(path) != before.get(path)
            and not path.startswith(_SYSTEMS_OWN)
            and not path.endswith("-")  # backups of useradd
        )

    def inside(self) -> AbstractContextManager[None]:
        """This thread, and threads and processes it starts meanwhile, are in the lab's network."""
        return entered(Path(f"/proc/{self.pid()}/ns/net"))

    # --- parts ----------------------------------------------------------------------------

    def _group(self, name: str) -> str:
        """The control group of a machine with systemd."""
        return f"vdc-lab-{self.pid()}-{name}"

    def _content(self, name: str) -> dict[str, str]:
        """Every file that a machine has written, by path."""
        home = self.upper(name).parent
        places = {"upper": "", "own/root": "/root", "own/home": "/home"}
        content = {}
        for part, prefix in places.items():
            for place, folders, files in os.walk(home / part):
                for path in (Path(place, name) for name in (*folders, *files)):
                    if path.is_symlink() or not path.is_dir():
                        with suppress(FileNotFoundError):  # the system's own come and go meanwhile
                            content[f"{prefix}/{path.relative_to(home / part)}"] = _kind(path)
        return content

    def _add(self, name: str) -> None:
        self._do("ip", "netns", "add", name)
        self._do("ip", "link", "add", f"v-{name}", "type", "veth", "peer", "eth0", "netns", name)
        self._do("ip", "link", "set", f"v-{name}", "up", "master", "lab0")
        self._do("ip", "-n", name, "address", "add", f"{self.address(name)}/24", "dev", "eth0")
        self._do("ip", "-n", name, "link", "set", "eth0", "up")
        self._do("ip", "-n", name, "link", "set", "lo", "up")
        ssh = self.upper(name) / "etc/ssh"
        (ssh / "lab.d").mkdir(parents=True)
        for file in ("sshd_config", "lab-sshd.service"):
            shutil.copy(HERE / file, ssh)
        shutil.copy(self.key.with_suffix(".pub"), ssh / "lab_authorized_keys")
        _keygen(ssh / "lab_host_key")

    def _listens(self, name: str) -> bool:
        if not self.pid(name):
            return False
        return bool(self.run(name, "ss", "-Hlnt", "sport = :22").strip())

    def _enter(self, *namespaces: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid()), *namespaces, "--"]

    def _do(self, *command: str) -> None:
        subprocess.run([*self._enter("-m", "-n", "-p"), *command], check=True)


@contextmanager
def ssh_lab(folder: Path, machines: int = 2, systemd: int = 0) -> Iterator[Lab]:
    """A running lab; nothing of it is left after."""
    lab = Lab(folder, machines, systemd)
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


def _keygen(path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path)], check=True
    )


def _named(process: psutil.Process, name: str) -> bool:
    """Whether a process has this name; one that has just ended has none."""
    try:
        return process.name() == name
    except psutil.NoSuchProcess:
        return False


def _wait(what: str, holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {_PATIENCE_S:.0f} s: {what}")
        time.sleep(0.02)


def _kind(path: Path) -> str:
    """What a file is, so that equal files give equal texts."""
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if not path.is_file():
        return "special"  # a whiteout for one: what this machine has and the lab's hides
    with path.open("rb") as file:
        return f"{path.stat().st_mode:o} {hashlib.file_digest(file, 'sha256').hexdigest()}"
