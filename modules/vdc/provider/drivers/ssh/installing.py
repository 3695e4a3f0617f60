"""Putting a node onto a machine, and taking it off again."""

from __future__ import annotations

from pathlib import Path

from vdc.bootstrap import layout
from vdc.bootstrap.node import NodeBoot, node_files
from vdc.provider.drivers.ssh.machine import Login
from vdc.provider.drivers.ssh.marks import Look, script

_PAYLOAD = layout.LIB / "payload"
_INSTALL_S = 240
_REMOVE_S = 180
# What the programs there wait for others, and for the agent, has its own end before ours.
_BESIDE_S = 120


async def install(remote: Login, found: Look, boot: NodeBoot, bundle: Path) -> None:
    """Makes a machine the node, or brings the node to what it is to be; tasks go on meanwhile.

    The archive is pushed once for each content and stays on the machine, so that a change of
    configuration needs no second one.

    Raises:
        NodeError: With the stage: push, files or install.
    """
    archive = f"{boot.bundle.sha256}.tar.gz"
    if archive not in found.payload:
        await remote.run("push", script("receive"), remote.machine.user)
        await remote.push("push", bundle, str(_PAYLOAD / "part"))
        await remote.run("push", script("receive"), "", archive)
    for file in node_files(boot):
        mode = f"{file.mode:04o}"
        await remote.run("files", script("put"), str(file.path), mode, given=file.content.encode())
    program = script("words") + script("alone") + script("start")
    await remote.run("install", program, str(_INSTALL_S), within_s=_INSTALL_S + _BESIDE_S)


async def uninstall(remote: Login) -> None:
    """Removes everything of ours; nothing there is success.

    Raises:
        NodeError: Something of it is still there.
    """
    program = script("alone") + script("remove")
    await remote.run("remove", program, within_s=_REMOVE_S + _BESIDE_S)


async def last_words(remote: Login) -> str:
    """The end of what the agent has said, in one line; empty when it has said nothing."""
    said = await remote.run("log", script("words") + 'words "$1" || :', "3")
    return " | ".join(line.strip() for line in said.splitlines() if line.strip())
