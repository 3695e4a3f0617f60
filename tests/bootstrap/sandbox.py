"""Machines of their own to install on: namespaces over this one's files, which stay as they are.

Processes, mounts, network and files are their own and end with them. One sort has no systemd, the
other has booted one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from labs import cgroups
from nomad_lab import wait_for

HERE = Path(__file__).parent
ADDRESS = "10.99.0.1"
"""The machine's own; its network is a /24 in which nobody else answers."""

_PATIENCE_S = 120.0
# A machine ends with the test, however that ends.
_UNSHARE = (
    *("setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", "--mount-proc"),
    *("--mount", "--pid", "--net", "--ipc", "--uts"),
)
_PLAIN = f"""
mount -t tmpfs -o mode=0755 over {{folder}}
for part in etc var; do
    mkdir {{folder}}/$part {{folder}}/$part.work
    mount -t overlay -o lowerdir=/$part,upperdir={{folder}}/$part,workdir={{folder}}/$part.work \
        over /$part
done
mount -t tmpfs -o mode=0755 run /run
rm -rf /var/lib/vdc /etc/vdc
ip link set lo up
ip link add up0 type veth peer name up1
ip address add {ADDRESS}/24 dev up0
ip link set up0 up
ip link set up1 up
exec {{python}} -c '
import signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever ends here leaves nothing
print("ready", flush=True)
sys.stdin.read()
'
"""


@dataclass(frozen=True)
class Sandbox:
    """A running machine; see :func:`plain` and :func:`booted`.

    Attributes:
        changes: What is other than on this machine, as overlays note it; seen from inside.
        kept: What outlives it; only of a booted one.
    """

    pid: int
    changes: Path
    kept: Path

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a script in it with ``sh -e`` and little environment."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-a", "sh", "-ec", script],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def says(self, script: str, *, check: bool = True) -> str:
        """What a script prints."""
        return self.run(script, check=check).stdout.strip()

    def put(self, path: Path, content: str, mode: int = 0o644) -> None:
        """Writes a file in it."""
        subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "sh", "-ec",
             'mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1"', "put", path, f"{mode:o}"],
            input=content,
            text=True,
            check=True,
        )  # fmt: skip

    def traces(self) -> str:
        """What is other than before, and who has an account; the tools' own notes do not count."""
        accounts = [f"etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "sub?id")]
        noted = [*accounts, "etc/*-", "etc/.pwd.lock", "var/log/*", "var/lib/systemd/*"]
        others = " ".join(f"! -path '{path}'" for path in noted)
        return self.says(
            f"cd {self.changes}; find etc var ! -type d {others}; "
            "cd /; find run -maxdepth 1 ! -name mount; "
            f"sha256sum {' '.join(accounts)}"
        )


@contextmanager
def plain(folder: Path) -> Iterator[Sandbox]:
    """A machine without systemd, whose first process only waits."""
    _possible()
    script = _PLAIN.format(folder=folder, python=sys.executable)
    with subprocess.Popen(
        [*_UNSHARE, "sh", "-ec", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Sandbox(_child(process), folder, folder)
        finally:
            process.kill()


@contextmanager
def booted(folder: Path) -> Iterator[Sandbox]:
    """A machine with systemd that has come up; what it says is in ``folder/console``."""
    _possible()
    if not Path("/lib/systemd/systemd").exists():
        pytest.skip("systemd is not on this machine")
    console = folder / "console"
    console.touch()
    groups = cgroups.make(f"vdc-test-{os.getpid()}")
    boot = [*_UNSHARE, "--cgroup", "sh", str(HERE / "boot.sh"), str(folder), ADDRESS]
    with subprocess.Popen(cgroups.entering(groups, *boot)) as process:
        try:
            pid = wait_for("a first process", lambda: _child(process))
            machine = Sandbox(pid, Path("/run/changes"), folder / "kept")
            up = "systemctl is-system-running --wait"
            states = ("running", "degraded")
            wait_for("systemd is up", lambda: machine.says(up, check=False) in states)
            yield machine
        finally:
            process.kill()
            cgroups.remove(groups)


def _possible() -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("namespaces of its own need root and util-linux")


def _child(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> int:
    assert process.poll() is None, "it ended"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else 0
