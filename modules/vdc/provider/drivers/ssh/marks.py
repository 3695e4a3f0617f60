"""What one look at a machine finds: the mark that says whose node it is, and how the node is.

``/etc/vdc/node.json`` is written before anything else of ours and removed after everything else.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vdc.errors import ForeignNodeError, NodeError
from vdc.provider.drivers import NodeFacts, State
from vdc.provider.drivers.ssh.machine import Login

Identity = Literal["none", "ours", "foreign"]
_IDENTITIES: Mapping[str, Identity] = {"none": "none", "ours": "ours", "foreign": "foreign"}


class Mark(BaseModel):
    """What ``node.json`` says. Read with tolerance: a newer vdc may have written more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    owner: str
    node: str
    digest: str
    incarnation: str

    @classmethod
    def fresh(cls, owner: str, node: str) -> Mark:
        """The mark of a node of which nothing else is there."""
        return cls(owner=owner, node=node, digest="", incarnation=uuid.uuid4().hex)


@dataclass(frozen=True)
class Look:
    """A machine at one moment.

    Attributes:
        now: Its clock, seconds since 1970.
        kernel: As ``uname -s`` says it, and ``machine`` as ``uname -m`` does.
        free_kib: Room for what is installed.
        cores: How many processors it has, and ``memory_mib`` how much memory.
        mark: Whose node it is; None when it is none.
        strange: A place of ours that is taken though there is no mark; empty when none is.
        payload: Names of the archives that were pushed there.
        installed: SHA-256 of the bundle that is installed; empty when none is.
        running: Whether the agent runs.
        identity: Whether the node's certificate is of the data centre's CA.
    """

    now: int
    kernel: str
    machine: str
    free_kib: int
    cores: int
    memory_mib: int
    mark: Mark | None
    strange: str
    payload: tuple[str, ...]
    installed: str
    running: bool
    identity: Identity

    @property
    def state(self) -> State:
        """The node's state, once the mark says that there is one."""
        if self.running:
            return "running"
        return "stopped" if self.installed else "partial"

    def facts(self, more: tuple[tuple[str, str], ...]) -> NodeFacts:
        """The node as the group logic wants it, with what else is to be known of it."""
        if self.mark is None:
            raise ValueError("no node is here")
        known = (*more, ("incarnation", self.mark.incarnation))
        return NodeFacts(self.mark.node, self.state, self.mark.digest, tuple(sorted(known)))

    def holds(self, owner: str, node: str) -> bool:
        """Whether the mark is that node's of that owner."""
        return self.mark is not None and (self.mark.owner, self.mark.node) == (owner, node)

    def of(self, owner: str, node: str, machine: str) -> Mark | None:
        """The mark when it is that node's of ours, None when nothing of anybody is here.

        Raises:
            ForeignNodeError: The machine is somebody else's node, or another one of ours.
        """
        mark = self.mark
        if mark is None and self.strange:
            raise ForeignNodeError(
                f"{machine}: mark: {self.strange} is there and is not ours; move it away"
            )
        if mark is not None and mark.owner != owner:
            raise ForeignNodeError(
                f"{machine}: mark: it is node {mark.node} of {mark.owner}; remove it there first"
            )
        if mark is not None and mark.node != node:
            raise ForeignNodeError(
                f"{machine}: mark: it is still node {mark.node}; run up again once that is removed"
            )
        return mark


async def look(remote: Login, ca_cert: str) -> Look:
    """Looks at a machine; changes nothing there."""
    return read(await remote.run("look", script("look"), given=ca_cert.encode()), str(remote))


async def write(remote: Login, mark: Mark, *, new: bool) -> Mark:
    """Writes a mark and returns the one that is there then: another's, when that came first."""
    text = (mark.model_dump_json() + "\n").encode()
    written = await remote.run("mark", script("claim"), "new" if new else "known", given=text)
    return Mark.model_validate_json(written)


def read(text: str, machine: str) -> Look:
    """What ``look.sh`` printed, as facts. Pure.

    Raises:
        NodeError: It is not what was expected: the shell there prints more than it is asked.
    """
    pairs = [line.partition("=") for line in text.splitlines()]
    facts = {key: value for key, _, value in pairs}
    try:
        return Look(
            now=int(facts["now"]),
            kernel=facts["kernel"],
            machine=facts["arch"],
            free_kib=int(facts["free_kib"]),
            cores=int(facts["cores"]),
            memory_mib=int(facts["memory_kib"]) // 1024,
            mark=Mark.model_validate_json(facts["mark"]) if "mark" in facts else None,
            strange=facts.get("strange", ""),
            payload=tuple(value for key, _, value in pairs if key == "payload"),
            installed=facts.get("installed", ""),
            running="agent" in facts,
            identity=_IDENTITIES[facts.get("identity", "none")],
        )
    except (KeyError, ValueError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise NodeError(
            f"{machine}: look: cannot read what it says of itself ({said}); see that "
            "/etc/vdc/node.json is whole and that its shell prints nothing at login"
        ) from error


@cache
def script(name: str) -> str:
    """The text of one of the programs that run on the machine."""
    return files(__package__).joinpath("files", f"{name}.sh").read_text(encoding="utf-8")
