"""Nodes on machines that are reached over SSH."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from vdc.errors import NodeError, StackError, UnreachableNodeError
from vdc.provider.door import Door
from vdc.provider.drivers import NodeFacts
from vdc.provider.drivers.ssh import marks, preflight
from vdc.provider.drivers.ssh.installing import install, last_words, uninstall
from vdc.provider.drivers.ssh.machine import Login, Machine
from vdc.provider.drivers.ssh.marks import Look, Mark
from vdc.provider.drivers.ssh.template import Template
from vdc.provider.drivers.ssh.trail import Step, Trail


class SshDriver:
    """See :class:`~vdc.provider.drivers.Driver`.

    Args:
        template: What the nodes are made from.
        machines: Every machine that may hold a node of the group, wanted or not, by the node's
            name.
        key: Path of the private key; empty for ssh-agent.
        bundle: The archive of the template's software.
        door: The pool's.
        trail: Where it is kept which machines were touched.
        forget_silent: Whether a machine that does not answer is forgotten when its node is to go.
    """

    # Each is a connection and some sums; a thousand machines are looked at within a minute.
    at_once = 16

    def __init__(
        self,
        template: Template,
        machines: Mapping[str, Machine],
        key: str,
        bundle: Path,
        door: Door,
        trail: Trail,
        *,
        forget_silent: bool,
    ) -> None:
        self.digest = template.digest
        self._template = template
        former = {s.node: s.machine for s in trail.steps() if s.owner == template.owner}
        self._machines = {**former, **machines}
        self._key = key
        self._bundle = bundle
        self._door = door
        self._trail = trail
        self._forget_silent = forget_silent
        self._gone: set[str] = set()
        self._room = asyncio.Semaphore(self.at_once)

    def in_place(self, node: NodeFacts) -> bool:
        """Always: the agent starts anew, and tasks outlive that."""
        return True

    async def owned(self) -> Mapping[str, NodeFacts]:
        """Reads the marks of all machines; one that cannot be looked at may hold its node yet."""
        names = [name for name in self._machines if name not in self._gone]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._owned(name)) for name in names]
        return {node.name: node for task in tasks if (node := task.result())}

    async def _owned(self, name: str) -> NodeFacts | None:
        machine = self._machines[name]
        try:
            async with self._room, login(machine, self._key) as remote:
                found = await marks.look(remote, self._template.briefing.ca_cert)
        except NodeError as error:
            facts = (("address", machine.address), ("reason", str(error)))
            return NodeFacts(name, "unreachable", "", facts)
        return self._facts(found, name) if found.holds(self._template.owner, name) else None

    async def create(self, name: str) -> NodeFacts:
        """Checks the machine, marks it, installs and starts the agent; what is right is left."""
        machine = self._machines[name]
        server = self._template.carries
        async with login(machine, self._key) as remote:
            found, clocks = await self._look(remote)
            mark = found.of(self._template.owner, name, str(machine))
            if mark and found.identity == "foreign" and not server:
                # Its data centre is gone and has left it behind: nothing there is of use.
                await uninstall(remote)
                found, clocks = await self._look(remote)
                mark = None
            known = server or (found.identity == "ours" and await self._door.joined(name))
            if mark and found.running and mark.digest == self.digest and known:
                return self._facts(found, name)
            await self._preflight(remote, found, clocks)
            mark = mark or await self._claim(remote, name)
            secret = "" if known else await self._door.admit(name)
            await install(remote, found, self._template.boot(name, secret), self._bundle)
            mark = mark.model_copy(update={"digest": self.digest})
            await marks.write(remote, mark, new=False)
            found, _ = await self._look(remote)
            return self._facts(found, name)

    async def delete(self, name: str) -> None:
        """Ends the agent and its tasks and removes all of ours, the mark last."""
        await remove(self._step(name), forget_silent=self._forget_silent)
        await self._door.revoke(name)
        self._gone.add(name)
        self._trail.forget(name)

    async def tidy(self) -> None:
        """Nodes share nothing here."""

    async def explain(self, name: str) -> str:
        """The end of the agent's log."""
        try:
            async with login(self._machines[name], self._key) as remote:
                words = await last_words(remote)
        except NodeError as error:
            return str(error)
        return f"its agent's log ends with: {words}" if words else ""

    def _step(self, name: str) -> Step:
        machine = self._machines[name]
        return Step(owner=self._template.owner, node=name, machine=machine, key=self._key)

    def _facts(self, found: Look, name: str) -> NodeFacts:
        return found.facts(self._template.facts(name, self._machines[name].address))

    async def _look(self, remote: Login) -> tuple[Look, preflight.Clocks]:
        before = time.time()
        found = await marks.look(remote, self._template.briefing.ca_cert)
        return found, preflight.Clocks(found.now, before, time.time())

    async def _preflight(self, remote: Login, found: Look, clocks: preflight.Clocks) -> None:
        wrong = list(preflight.problems(found, clocks, self._template.wanted))
        lacking = await preflight.lacking(remote, self._template.parts)
        wrong += lacking
        if not lacking and self._template.dialled:
            wrong += await preflight.out_of_reach(remote, self._template.dialled)
        if wrong:
            raise NodeError(f"{remote}: preflight: " + ". Also: ".join(wrong))

    async def _claim(self, remote: Login, name: str) -> Mark:
        self._trail.add(self._step(name))
        await marks.write(remote, Mark.fresh(self._template.owner, name), new=True)
        # Another stack may have come first.
        found, _ = await self._look(remote)
        mark = found.of(self._template.owner, name, str(remote))
        if mark is None:
            raise NodeError(f"{remote}: mark: it is gone again; who else writes to /etc/vdc there?")
        return mark


async def remove(step: Step, *, forget_silent: bool) -> None:
    """Takes a node off its machine; a machine that is not that node, or no more, is left alone.

    Raises:
        NodeError: The machine does not answer, unless ``forget_silent``; or something is still
            there.
    """
    try:
        async with login(step.machine, step.key) as remote:
            if (await marks.look(remote, "")).holds(step.owner, step.node):
                await uninstall(remote)
    except UnreachableNodeError as error:
        if not forget_silent:
            raise NodeError(
                f"{error}. Its node is not removed; if the machine is gone for good, run with "
                "--force to forget it"
            ) from error


def login(machine: Machine, key: str) -> AbstractAsyncContextManager[Login]:
    """See :func:`~vdc.provider.drivers.ssh.connection.connected`.

    Raises:
        StackError: The extra is not installed.
    """
    try:
        from vdc.provider.drivers.ssh import connection
    except ModuleNotFoundError as error:
        raise StackError(
            f"machines are reached with the Python package {error.name}; "
            "install it with: pip install 'vdc[ssh]'"
        ) from error
    return connection.connected(machine, key)
