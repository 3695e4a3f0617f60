"""A machine of its own to install on: namespaces over this one's files, which stay as they are.

Processes, mounts, network and everything below /etc, /var and /run are its own and end with it.
There is no systemd in it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ADDRESS = "10.99.0.1"
"""The sandbox's own; its network is a /24 in which nobody else answers."""

_SETUP = f"""
set -e
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
    """A running one; see :func:`sandbox`."""

    pid: int
    changes: Path
    """What is other than on this machine, as overlays note it; seen from inside."""

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a script in it with ``sh -e`` and little environment."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "sh", "-ec", script],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def says(self, script: str) -> str:
        """What a script prints."""
        return self.run(script).stdout.strip()

    def put(self, path: Path, content: str, mode: int = 0o644) -> None:
        """Writes a file in it."""
        subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "sh", "-ec",
             'mkdir -p "$(dirname "$1")"; cat >"$1"; chmod "$2" "$1"', "put", path, f"{mode:o}"],
            input=content,
            text=True,
            check=True,
        )  # fmt: skip


@contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """A fresh one; ``folder`` is where its changes lie, in memory."""
    if (
        shutil.which("unshare") is None
        or subprocess.run(["id", "-u"], capture_output=True).stdout != b"0\n"
    ):
        pytest.skip("namespaces of its own need root and util-linux")
    spaces = ["--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc"]
    script = _SETUP.format(folder=folder, python=sys.executable)
    with subprocess.Popen(
        ["unshare", *spaces, "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            yield Sandbox(int(children), folder)
        finally:
            process.kill()
