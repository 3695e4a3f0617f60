"""Processes that outlive the provider: agents and the pool service on this machine.

A process is known by a path in its own command line, not by a recorded number: the mark is there
from the instant the process is, and a number that the system has given to another is never hit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import psutil

from vdc.errors import NodeError

_POLL_S = 0.05
_TERM_S = 15.0


def find(mark: Path) -> list[psutil.Process]:
    """Live processes that have exactly this path as an argument."""
    wanted = str(mark)
    return [process for process, words in _commands() if wanted in words]


def every(about: list[str] | None = None) -> Iterator[psutil.Process]:
    """Every process, with what ``psutil`` is to find out about it at once."""
    # It remembers processes by their numbers: one that has a dead one's number would pass for that
    # one, and be ended by no signal.
    psutil.process_iter.cache_clear()
    return psutil.process_iter(about)


def arguments() -> frozenset[str]:
    """Every argument of every live process: one pass for callers with many marks."""
    return frozenset(word for _, words in _commands() for word in words)


def _commands() -> Iterator[tuple[psutil.Process, Sequence[str]]]:
    for process in every(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE:
            yield process, process.info["cmdline"] or ()


def belonging_to(folder: Path) -> list[psutil.Process]:
    """Live processes that work in a folder, or whose command line or task points into it.

    Finds what an agent has started (executors, log collectors, tasks) when the agent is gone.
    """
    found = []
    for process in every():
        try:
            task = process.environ().get("NOMAD_ALLOC_DIR", "")
            # A folder that was removed under a process shows as "/folder (deleted)".
            places = [*process.cmdline(), task, process.cwd().removesuffix(" (deleted)")]
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # not ours: we may read our own
        inside = any(place == str(folder) or f"{folder}{os.sep}" in place for place in places)
        if inside and process.pid != os.getpid():
            found.append(process)
    return found


def start(
    command: Sequence[str], folder: Path, log: Path, inherit: Collection[str] = ()
) -> psutil.Process:
    """Starts a process of its own session with a clean environment.

    The environment is not inherited, but for a few names and those in ``inherit``: a stray
    ``NOMAD_ADDR`` silences every service template of an agent, and ``AWS_CA_BUNDLE`` keeps it
    from starting.
    """
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home())}
    for name in ("LANG", "JAVA_HOME", "TMPDIR", *inherit):
        if name in os.environ:
            environment[name] = os.environ[name]
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return psutil.Process(child.pid)


async def wait_listening(
    process: psutil.Process, host: str, port: int, log: Path, s: float
) -> None:
    """Returns when the process accepts connections on a port; a starting program offers no event.

    Another program may answer there: the one that keeps ours from its port.

    Raises:
        NodeError: It ended, or did not listen in time; with the end of its log.
    """
    deadline = asyncio.get_running_loop().time() + s
    while True:
        if not alive(process):
            raise NodeError(f"the process ended at start: {last_words(log)}")
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                raise NodeError(f"not listening after {s:.0f} s: {last_words(log)}") from None
            await asyncio.sleep(_POLL_S)
            continue
        writer.close()
        if _listens(process, port):
            return
        await asyncio.sleep(_POLL_S)


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        own = process.net_connections("tcp")
    except psutil.Error:
        return False  # it has just ended
    return any(it.status == psutil.CONN_LISTEN and it.laddr.port == port for it in own)


def alive(process: psutil.Process) -> bool:
    """Whether a process runs (one that has ended and waits for its parent does not)."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def stop(processes: Iterable[psutil.Process]) -> None:
    """Asks processes to end, then ends them. Returns when they are gone."""
    waiting = list(processes)
    for action in ("terminate", "kill"):
        for process in waiting:
            try:
                getattr(process, action)()
            except psutil.NoSuchProcess:
                continue
        _, waiting = await asyncio.to_thread(psutil.wait_procs, waiting, _TERM_S)
        if not waiting:
            return
    raise NodeError(f"cannot end processes {', '.join(str(p.pid) for p in waiting)}")


def remove_tree(folder: Path) -> None:
    """Removes a folder, after unmounting what agents mount in it (as root they mount secrets)."""
    inside = str(folder) + os.sep
    mounts = [part.mountpoint for part in psutil.disk_partitions(all=True)]
    for mount in sorted((m for m in mounts if m.startswith(inside)), reverse=True):
        subprocess.run(["umount", mount], check=True, capture_output=True)
    if folder.exists():
        shutil.rmtree(folder)


def remove_cgroups(allocations: Iterable[str]) -> None:
    """Removes the control groups of ended tasks, which an agent that was killed leaves behind.

    The kernel refuses for a group that still holds a process.
    """
    for allocation in allocations:
        for pattern in (f"*/nomad/{allocation}.*", f"nomad.slice/*/{allocation}.*"):
            for group in Path("/sys/fs/cgroup").glob(pattern):
                with contextlib.suppress(OSError):
                    group.rmdir()


def port_free(host: str, port: int) -> bool:
    """Whether a port can be bound now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def last_words(log: Path, lines: int = 3) -> str:
    """The end of a log that says why, in one line: errors if there are any, else the last lines."""
    try:
        text = log.read_text(errors="replace").splitlines()[-200:]
    except OSError:
        return "it left no log"
    text = [line.strip() for line in text if line.strip()]
    telling = [
        line for line in text if "[ERROR]" in line or "rror:" in line or line.startswith("==> E")
    ]
    return " | ".join((telling or text)[-lines:]) or "its log is empty"


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, never half: a new file takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
