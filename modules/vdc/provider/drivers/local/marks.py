"""The marks of nodes on this machine: which folders are ours, and what state they are in.

``nodes/<name>/node.json`` says whose the node is, from which template, on which ports. It is
written before anything else of the node and removed after everything else.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from vdc.home import Home
from vdc.provider.drivers import NodeFacts, State
from vdc.provider.slots import HOST, Slot


class Mark(BaseModel):
    """What ``node.json`` says. Read with tolerance: a newer vdc may have written more."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    owner: str
    node: str
    digest: str
    slot: int
    incarnation: str
    host: str = HOST


def nodes_dir(stack: str) -> Path:
    """The folder of a stack's nodes on this machine."""
    return Home.of_user().stack(stack).nodes


def marked(folder: Path) -> list[tuple[Path, Mark]]:
    """Every node folder with a legible mark, in order of names."""
    return [(f, found) for f in sorted(folder.glob("*/")) if (found := mark(f))]


def mark(folder: Path) -> Mark | None:
    """The mark of one node folder, if there is one."""
    try:
        return Mark.model_validate_json((folder / "node.json").read_bytes())
    except (OSError, ValidationError):
        return None


def holds_something(folder: Path) -> bool:
    """Whether a folder has content; a mark that a cut run had begun to write is none."""
    return folder.exists() and any(e.name != ".node.json.new" for e in folder.iterdir())


def started(folder: Path) -> bool:
    """Whether the agent has run: then others know its ports, and it keeps them."""
    return (folder / "agent.json").exists() and (folder / "data").exists()


def facts(folder: Path, mark: Mark, *, running: bool) -> NodeFacts:
    """A node as it is now; ``running`` says whether its agent is among the processes."""
    state: State = "partial"
    if running:
        state = "running"
    elif started(folder):
        state = "stopped"
    ports = Slot(mark.slot).ports
    return NodeFacts(
        mark.node,
        state,
        mark.digest,
        (
            ("address", mark.host),
            ("http", str(ports.http)),
            ("incarnation", mark.incarnation),
            ("rpc", str(ports.rpc)),
            ("serf", str(ports.serf)),
        ),
    )
