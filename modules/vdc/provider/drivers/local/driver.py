"""Nodes on this machine: one detached agent process and one folder each."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from vdc.bootstrap.agent import (
    Agent,
    ClientRole,
    ServerRole,
    TlsFiles,
    client_config,
    server_config,
)
from vdc.errors import ForeignNodeError, NodeError, SchedulerError
from vdc.provider import processes
from vdc.provider.agent import agent_program
from vdc.provider.drivers import NodeFacts
from vdc.provider.drivers.local import marks
from vdc.provider.drivers.local.marks import Mark
from vdc.provider.slots import Held, Slot, choose

_LISTEN_S = 30.0

# An agent registers within seconds; one that does not is told by who waits for it.
_REGISTERS_S = 10.0

Introduce = Callable[[str], Awaitable[str]]
"""Gives the introduction token with which a node of this name may register."""

Question = Callable[[str], Awaitable[object]]
"""Asks the servers something through the agent at this address."""


@dataclass(frozen=True)
class Template:
    """What all nodes of one local group have in common.

    Attributes:
        owner: Stack and group; the mark that makes a node ours.
        nodes_dir: The stack's folder of local nodes.
        hosts: All wanted nodes of the group with the address that each listens at.
    """

    owner: str
    nodes_dir: Path
    hosts: Mapping[str, str]
    site: str
    ca_cert: str
    cert: str
    key: str
    role: ServerRole | ClientRole


class LocalDriver:
    """See :class:`~vdc.provider.drivers.Driver`."""

    # All of them start on the CPU of one machine.
    at_once = 16

    # Two nodes of one process must not choose the same ports.
    _choosing = asyncio.Lock()

    def __init__(self, template: Template, introduce: Introduce, ask: Question) -> None:
        self._template = template
        self._introduce = introduce
        self._ask = ask
        self._held: dict[str, Held] = {}
        found = shutil.which("nomad")
        # A new count changes no node; another path to the same program changes none either.
        program = os.path.realpath(found) if found else ""
        facts = (replace(template, hosts={}), program)
        self.digest = hashlib.sha256(_canonical(facts).encode()).hexdigest()[:16]

    async def owned(self) -> Mapping[str, NodeFacts]:
        """One pass over the marks and one over the process table."""
        return await asyncio.to_thread(self._owned)

    def _owned(self) -> dict[str, NodeFacts]:
        running = processes.arguments()
        return {
            mark.node: marks.facts(folder, mark, running=str(folder / "agent.json") in running)
            for folder, mark in marks.marked(self._template.nodes_dir)
            if mark.owner == self._template.owner
        }

    async def create(self, name: str) -> NodeFacts:
        """Marks, configures and starts the agent, or restarts it from the new template.

        Tasks outlive a restart of their agent, so a change of configuration stops no work.
        """
        program = agent_program()
        while True:
            mark = await self._claim_all(name)
            # Nor does anybody choose what an agent leaves for the moment in which it starts anew.
            if name not in self._held and (held := Slot(mark.slot).hold(mark.host)):
                self._held[name] = held
            try:
                if made := await self._start(program, mark):
                    return made
            finally:
                if held := self._held.pop(name, None):
                    held.close()

    async def _start(self, program: Path, mark: Mark) -> NodeFacts | None:
        """Brings a claimed node to run; None when its ports are somebody else's by now."""
        folder = self._template.nodes_dir / mark.node
        agents = processes.find(folder / "agent.json")
        if agents and mark.digest == self.digest:
            return marks.facts(folder, mark, running=True)
        await processes.stop(agents)
        unknown_to_others = not marks.started(folder)
        await self._configure(folder, mark)
        mark = mark.model_copy(update={"digest": self.digest})
        processes.write_private(folder / "node.json", mark.model_dump_json())
        log = folder / "agent.log"
        command = [str(program), "agent", "-config", str(folder / "agent.json")]
        process = processes.start(command, folder, log)
        port = Slot(mark.slot).ports.http
        try:
            await processes.wait_listening(process, mark.host, port, log, _LISTEN_S)
        except NodeError:
            if not unknown_to_others or Slot(mark.slot).free_at(mark.host):
                raise
            # Others than vdc do not ask who holds them, and were there first.
            await processes.stop([process])
            for entry in (folder / "data", folder / "agent.json"):
                await asyncio.to_thread(_remove, entry)
            return None
        if isinstance(self._template.role, ClientRole):
            await self._hasten(f"https://{mark.host}:{port}")
        return marks.facts(folder, mark, running=True)

    async def _hasten(self, agent: str) -> None:
        """Has a new agent say at once that it is ready.

        It registers as initializing and is ready with its first heartbeat, which it puts off by up
        to ten seconds so that thousands do not come together (``initialHeartbeatStagger`` of
        Nomad's client), unless a call of its own was answered meanwhile. One through its API waits
        for the registration and is such a call.
        """
        with suppress(SchedulerError, TimeoutError):
            async with asyncio.timeout(_REGISTERS_S):
                await self._ask(agent)

    def in_place(self, node: NodeFacts) -> bool:
        """Always: tasks outlive their agent."""
        return True

    async def tidy(self) -> None:
        """Nodes share nothing here."""

    async def explain(self, name: str) -> str:
        """The end of the agent's log."""
        words = processes.last_words(self._template.nodes_dir / name / "agent.log")
        return f"its agent's log ends with: {words}" if words else ""

    async def delete(self, name: str) -> None:
        """Ends the agent and whatever it left running, then removes the folder, the mark last."""
        folder = self._template.nodes_dir / name
        mark = marks.mark(folder)
        if mark is None or mark.owner != self._template.owner:
            return
        await remove_node(folder)

    async def _claim(self, name: str) -> Mark:
        """Writes the mark, and with it the ports, unless the node has them already."""
        folder = self._template.nodes_dir / name
        mark = marks.mark(folder)
        if mark and mark.owner != self._template.owner:
            raise ForeignNodeError(
                f"{folder} belongs to {mark.owner}; rename the group or remove that node"
            )
        if mark is None and marks.holds_something(folder):
            raise ForeignNodeError(f"{folder} exists and is not ours; move it away")
        host = self._template.hosts[name]
        # Others know a started agent by its ports: it keeps them.
        if mark and (marks.started(folder) or name in self._held):
            return mark
        if mark and (held := Slot(mark.slot).hold(host)):
            if Slot(mark.slot).free_at(host):
                self._held[name] = held
                return mark
            held.close()
        taken = {mark.slot for _, mark in marks.marked(self._template.nodes_dir)}
        held = await asyncio.to_thread(choose, str(self._template.nodes_dir), taken, host)
        self._held[name] = held
        mark = Mark(
            owner=self._template.owner,
            node=name,
            digest="",
            slot=held.slot.number,
            host=host,
            incarnation=uuid.uuid4().hex,
        )
        processes.write_private(folder / "node.json", mark.model_dump_json())
        return mark

    async def _claim_all(self, name: str) -> Mark:
        """Claims the whole group when the nodes must know each other's ports."""
        async with self._choosing:
            if isinstance(self._template.role, ServerRole):
                for peer in self._template.hosts:
                    await self._claim(peer)
            return await self._claim(name)

    async def _configure(self, folder: Path, mark: Mark) -> None:
        template = self._template
        tls = TlsFiles(folder / "tls/ca.pem", folder / "tls/cert.pem", folder / "tls/key.pem")
        for path, text in (
            (tls.ca, template.ca_cert),
            (tls.cert, template.cert),
            (tls.key, template.key),
        ):
            processes.write_private(path, text)
        data = folder / "data"
        agent = Agent(mark.node, template.site, mark.host, data, Slot(mark.slot).ports, tls)
        if isinstance(template.role, ServerRole):
            config = server_config(agent, replace(template.role, peers=self._peers()))
        else:
            config = client_config(agent, template.role)
            if not (data / "client" / "client-id").exists():
                token = await self._introduce(mark.node)
                processes.write_private(data / "client" / "intro_token.jwt", token)
        processes.write_private(folder / "agent.json", config)

    def _peers(self) -> tuple[str, ...]:
        return tuple(
            f"{mark.host}:{Slot(mark.slot).ports.serf}"
            for _, mark in marks.marked(self._template.nodes_dir)
            if mark.owner == self._template.owner and mark.node in self._template.hosts
        )


async def remove_node(folder: Path) -> None:
    """Ends a node's agent and whatever that left running, then removes it, the mark last."""
    await processes.stop(processes.find(folder / "agent.json"))
    await processes.stop(processes.belonging_to(folder))
    processes.remove_cgroups(entry.name for entry in (folder / "data/alloc").glob("*"))
    for entry in sorted(folder.iterdir()):
        if entry.name != "node.json":
            await asyncio.to_thread(_remove, entry)
    await asyncio.to_thread(processes.remove_tree, folder)


def _remove(entry: Path) -> None:
    if entry.is_dir():
        processes.remove_tree(entry)
    else:
        entry.unlink(missing_ok=True)


def _canonical(facts: object) -> str:
    # The repr of frozen dataclasses hides secrets, whose change must change the digest too.
    if isinstance(facts, (tuple, list)):
        return "(" + ",".join(_canonical(item) for item in facts) + ")"
    fields = getattr(facts, "__dataclass_fields__", None)
    if fields is not None:
        return _canonical([(name, getattr(facts, name)) for name in fields])
    return repr(os.fspath(facts) if isinstance(facts, os.PathLike) else facts)
