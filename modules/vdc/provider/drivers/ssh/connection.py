"""Connections to machines: the pinned host key, our key or agent, and root's rights.

Needs the extra ``ssh``; the driver imports this module when it first dials.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncssh
from asyncssh.public_key import get_default_public_key_algs

from vdc.errors import NodeError, UnreachableNodeError
from vdc.provider.drivers.ssh.machine import SCRIPT_S, Machine

_CONNECT_S = 10
_LOGIN_S = 20
# A machine that dies under a command is noticed after three unanswered questions.
_ALIVE_EVERY_S = 10
_WHO = """\
if [ "$(id -u)" = 0 ]; then echo root
elif sudo -n true 2>/dev/null; then echo sudo
else echo neither; fi
"""


class Remote:
    """See :class:`~vdc.provider.drivers.ssh.machine.Login`."""

    def __init__(
        self, machine: Machine, connection: asyncssh.SSHClientConnection, as_root: tuple[str, ...]
    ) -> None:
        self.machine = machine
        self._connection = connection
        self._as_root = as_root

    def __str__(self) -> str:
        return str(self.machine)

    async def run(
        self,
        stage: str,
        script: str,
        *arguments: str,
        given: bytes = b"",
        within_s: float = SCRIPT_S,
    ) -> str:
        """See :class:`~vdc.provider.drivers.ssh.machine.Login`."""
        command = shlex.join([*self._as_root, "sh", "-c", script, "sh", *arguments])
        try:
            async with asyncio.timeout(within_s):
                # A program that reads nothing may end before its input has: then give it none.
                source = {"input": given} if given else {"stdin": asyncssh.DEVNULL}
                done = await self._connection.run(command, encoding=None, **source)
        except TimeoutError:
            raise NodeError(f"{self.machine}: {stage}: no end after {within_s:.0f} s") from None
        except (OSError, asyncssh.Error) as error:
            raise _gone(self.machine, stage, error) from error
        if done.exit_status != 0:
            raise NodeError(f"{self.machine}: {stage}: {_last_words(done)}")
        return _text(done.stdout)

    async def push(self, stage: str, file: Path, target: str) -> None:
        """See :class:`~vdc.provider.drivers.ssh.machine.Login`."""
        try:
            async with self._connection.start_sftp_client() as sftp:
                await sftp.put(os.fspath(file), target)
        except asyncssh.SFTPError as error:
            raise NodeError(
                f"{self.machine}: {stage}: cannot write {target}: {error.reason}; "
                "see that the disk has room and that sshd offers sftp"
            ) from error
        except (OSError, asyncssh.Error) as error:
            raise _gone(self.machine, stage, error) from error


@asynccontextmanager
async def connected(machine: Machine, key: str) -> AsyncIterator[Remote]:
    """Logs in to a machine and sees that root's rights are to be had there.

    Args:
        machine: Whom to dial, and which host key to accept.
        key: Path of a private key; empty for the keys of ssh-agent.

    Raises:
        UnreachableNodeError: It does not answer, shows another host key, or does not let us in.
    """
    async with AsyncExitStack() as stack:
        keys = await _client_keys(stack, machine, key)
        connection = await stack.enter_async_context(await _dial(machine, keys))
        yield Remote(machine, connection, await _as_root(machine, connection))


class _Witness(asyncssh.SSHClient):
    """Keeps the host key that was shown instead of the pinned one, and refuses it."""

    shown: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.shown = key
        return False


async def _dial(machine: Machine, keys: list[asyncssh.SSHKeyPair]) -> asyncssh.SSHClientConnection:
    witness = _Witness()
    try:
        pinned = asyncssh.import_public_key(machine.host_key)
    except asyncssh.KeyImportError as error:
        raise UnreachableNodeError(
            f"{machine}: host key: what is declared is no public key ({error}); "
            f"take the line of: ssh-keyscan -p {machine.port} {machine.address}"
        ) from error
    usual = get_default_public_key_algs()
    # The pinned sort first, so that a machine with several keys shows the one we know; the others
    # after it, so that a machine without it is known by what it shows.
    wanted = [a for a in usual if a in pinned.sig_algorithms]
    algorithms = wanted + [a for a in usual if a not in wanted]
    try:
        async with asyncio.timeout(_CONNECT_S + _LOGIN_S):
            return await asyncssh.connect(
                machine.address,
                machine.port,
                config=[],
                client_factory=lambda: witness,
                known_hosts=([pinned], [], []),
                server_host_key_algs=[algorithm.decode() for algorithm in algorithms],
                username=machine.user,
                client_keys=keys,
                agent_path=None,
                preferred_auth="publickey",
                connect_timeout=_CONNECT_S,
                login_timeout=_LOGIN_S,
                keepalive_interval=_ALIVE_EVERY_S,
            )
    except asyncssh.HostKeyNotVerifiable as error:
        raise UnreachableNodeError(_other_key(machine, pinned, witness.shown)) from error
    except asyncssh.PermissionDenied as error:
        raise UnreachableNodeError(
            f"{machine}: login: refused; put our public key into the authorized_keys of "
            f"{machine.user} there, or declare another key or user"
        ) from error
    except TimeoutError as error:
        raise UnreachableNodeError(
            f"{machine}: connect: no answer within {_CONNECT_S} s; see that it is switched on and "
            "that its address and port are right"
        ) from error
    except (OSError, asyncssh.Error) as error:
        raise _gone(machine, "connect", error) from error


async def _client_keys(
    stack: AsyncExitStack, machine: Machine, key: str
) -> list[asyncssh.SSHKeyPair]:
    if key:
        file = Path(key).expanduser()
        try:
            return list(asyncssh.load_keypairs(os.fspath(file)))
        except (OSError, asyncssh.KeyImportError) as error:
            raise UnreachableNodeError(
                f"{machine}: login: cannot use the key {file}: {error}; a key with a passphrase "
                "goes into ssh-agent, and `key` stays out of the declaration"
            ) from error
    try:
        socket = os.environ.get("SSH_AUTH_SOCK", "")
        agent = await stack.enter_async_context(asyncssh.connect_agent(socket))
        keys = list(await agent.get_keys())
    except (OSError, ValueError, asyncssh.Error) as error:
        raise UnreachableNodeError(
            f"{machine}: login: no ssh-agent answers ({error}); start one and add a key, or "
            "declare `key`"
        ) from error
    if not keys:
        raise UnreachableNodeError(f"{machine}: login: ssh-agent holds no key; run ssh-add")
    return keys


async def _as_root(machine: Machine, connection: asyncssh.SSHClientConnection) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(SCRIPT_S):
            done = await connection.run(shlex.join(["sh", "-c", _WHO]), encoding=None)
    except (OSError, asyncssh.Error) as error:
        raise _gone(machine, "login", error) from error
    found = _text(done.stdout).split()
    if "root" in found:
        return ()
    if "sudo" in found:
        return ("sudo", "-n")
    raise UnreachableNodeError(
        f"{machine}: login: {machine.user} is neither root nor may use sudo without a password; "
        f"log in as root, or add the line `{machine.user} ALL=(ALL) NOPASSWD: ALL` to sudoers"
    )


def _other_key(machine: Machine, pinned: asyncssh.SSHKey, shown: asyncssh.SSHKey | None) -> str:
    found = _named(shown) if shown else "no key that can be read"
    return (
        f"{machine}: host key: it shows {found} and {_named(pinned)} is declared, so nothing was "
        "sent; if the machine was installed anew declare its new key, else somebody else answers "
        "at its address"
    )


def _named(key: asyncssh.SSHKey) -> str:
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


def _gone(machine: Machine, stage: str, error: Exception) -> UnreachableNodeError:
    said = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        said = os.strerror(error.errno)  # asyncio's own text repeats the address
    return UnreachableNodeError(
        f"{machine}: {stage}: {said}; see that it is up and that sshd answers there"
    )


def _last_words(done: asyncssh.SSHCompletedProcess, lines: int = 3) -> str:
    said = [
        line.strip()
        for line in (_text(done.stderr) + "\n" + _text(done.stdout)).splitlines()
        if line.strip()
    ]
    return " | ".join(said[-lines:]) or f"it ended with status {done.exit_status}"


def _text(raw: bytes | str | None) -> str:
    return raw.decode(errors="replace") if isinstance(raw, bytes) else raw or ""
