"""What an interrupted run leaves behind, put right before the next one without a question.

A killed ``pulumi up`` leaves a lock, perhaps a pending operation in the state, and for a moment
its provider. Resources of ours are made idempotently under names known before, so a pending
create needs nobody's judgement: the next run takes over what is there.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import psutil

from vdc.cli import engine
from vdc.cli.project import Stack
from vdc.errors import PoolError, StackError

Say = Callable[[str], None]
_PROVIDER_S = 30.0


def release_dead_locks(stack: Stack, say: Say) -> bool:
    """Removes locks whose owner was a process of this machine that is gone.

    A lock of another machine, or of a live process, is left: Pulumi names it and refuses.
    """
    if stack.own_backend is None:
        return False
    folder = _locks(stack.own_backend, stack)
    released = False
    for path in folder.glob("*.json"):
        try:
            lock = json.loads(path.read_text())
        except (OSError, ValueError):
            lock = {}  # cut while it was being written
        pid = lock.get("pid")
        if lock and (lock.get("hostname") != socket.gethostname() or _is_pulumi(pid)):
            continue
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".attrs").unlink(missing_ok=True)
        say(f"released the lock of an interrupted run (process {pid or 'unknown'} is gone)")
        released = True
    if not any(folder.glob("*.json")):
        _remove_half_written(stack.own_backend / ".pulumi", stack)
    return released


def running(stack: Stack) -> int | None:
    """The process of a run that holds the stack's lock; None when nobody is seen to hold it.

    Locks of a team's backend are Pulumi's to look at.
    """
    if stack.own_backend is None:
        return None
    for path in _locks(stack.own_backend, stack).glob("*.json"):
        try:
            return int(json.loads(path.read_text())["pid"])
        except (OSError, ValueError, KeyError):
            continue  # gone, or about to be written
    return None


def await_orphaned_providers() -> None:
    """Waits for providers whose engine is gone; they end by themselves within a second or two."""
    orphans = [
        process
        for process in psutil.process_iter(["cmdline", "ppid"])
        if any(word.endswith("/pulumi-resource-vdc") for word in process.info["cmdline"] or ())
        and not _is_pulumi(process.info["ppid"])
    ]
    _, left = psutil.wait_procs(orphans, _PROVIDER_S)
    if left:
        raise StackError(
            f"a provider of an interrupted run is still alive (process {left[0].pid}); end it"
        )


def clear_pending(stack: Stack, environment: Mapping[str, str], say: Say) -> bool:
    """Takes pending operations out of the state; what they began is found by its marks."""
    if stack.own_backend and not _mentions_pending(stack):
        return False
    exported = engine.ask(stack, environment, "stack", "export")
    state = json.loads(exported)
    pending = state.get("deployment", {}).pop("pending_operations", None)
    if not pending:
        return False
    engine.ask(stack, environment, "stack", "import", text=json.dumps(state))
    names = ", ".join(str(item["resource"]["urn"]).rpartition("::")[2] for item in pending)
    say(f"an interrupted run was at work on {names}; it is taken up again")
    return True


async def forget(stack: Stack, names: Collection[str]) -> None:
    """Makes the scheduler forget nodes that are gone; by itself it remembers them for a day."""
    from vdc.pool.config import PoolConfig
    from vdc.scheduler.access import Access
    from vdc.scheduler.client import Nomad
    from vdc.scheduler.login import Login

    told = stack.own.pool / "service.json"
    if not told.exists():
        return  # the service runs elsewhere, and with it are the keys
    config = PoolConfig.load(told)
    files = config.scheduler
    access = Access(files.addresses, files.ca_file, files.cert_file, files.key_file)
    async with Nomad(access, Login(config.key_file)) as nomad:
        for node in await nomad.nodes():
            if node.name in names:
                await nomad.purge_node(node.id)


def pool_answers(stack: Stack) -> bool:
    """Whether the pool that the user's profile names is up; True when there is no profile yet."""
    if not stack.own.profile.exists():
        return True
    try:
        from vdc.client import PoolClient, Profile

        with PoolClient.of(Profile.load(stack.home, stack.name, env={})) as pool:
            return pool.healthy()
    except (PoolError, OSError):  # half-written: the certificate is missing
        return False


def _locks(backend: Path, stack: Stack) -> Path:
    return backend / ".pulumi" / "locks" / "organization" / stack.project / stack.name


def _remove_half_written(meta: Path, stack: Stack) -> None:
    """Removes the files that a killed engine was about to rename; nobody else ever does."""
    name, project = stack.name, stack.project
    for pattern in (
        f"stacks/{project}/{name}.json*.tmp",
        f"locks/organization/{project}/{name}/*.tmp",
        f"history/{project}/{name}/*.tmp",
        f"backups/{project}/{name}/*.tmp",
    ):
        for path in meta.glob(pattern):
            path.unlink(missing_ok=True)


def _mentions_pending(stack: Stack) -> bool:
    if stack.own_backend is None:
        return True
    file = stack.state_file
    return file is not None and (file.suffix == ".gz" or '"pending_operations"' in file.read_text())


def _is_pulumi(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "pulumi" in process.name()
    except psutil.NoSuchProcess:
        return False
