"""What the pool API says and hears, as types: the one place, shared by service and client.

Amounts are MHz of compute, MiB of memory and of disk; prices are decimal text in the data
centre's currency per hour. Requests refuse unknown fields; answers tolerate them, so that an
older client reads a newer service.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NodeStatus = Literal["ready", "draining", "ineligible", "down"]
AppStatus = Literal[
    "fetching", "submitting", "deploying", "healthy", "degraded", "failed", "stopped"
]
RunState = Literal["pending", "running", "complete", "failed", "lost", "stopped"]
Stream = Literal["stdout", "stderr"]

Name = Annotated[
    str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"), Field(max_length=40)
]
_Arg = Annotated[str, Field(max_length=32_768)]


class Answer(BaseModel):
    """What the service says."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(BaseModel):
    """What the service is asked; an unknown field is a mistake worth telling."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(Answer):
    """Why a request was refused, and what to do about it."""

    message: str
    remedy: str | None = None


class ErrorAnswer(Answer):
    """The one shape of every answer that is not a success."""

    error: Failure


class Resources(Answer):
    """Amounts of compute, memory and disk."""

    cpu_mhz: int = 0
    memory_mib: int = 0
    disk_mib: int = 0


class NodeCounts(Answer):
    """Nodes by state; the four together are all nodes known."""

    ready: int = 0
    draining: int = 0
    ineligible: int = 0
    down: int = 0


class Usage(Answer):
    """Capacity and its use.

    Attributes:
        total: Of every node that is up.
        allocated: Reserved by work on those nodes; not what the work really uses.
        free: What new work may be given: the rest of those nodes that take new work.
        price_per_hour: Of the nodes that are up and have a price.
        unpriced: How many nodes that are up have none; never counted as zero in silence.
    """

    total: Resources
    allocated: Resources
    free: Resources
    nodes: NodeCounts
    price_per_hour: str
    unpriced: int = 0


class GroupUsage(Usage):
    """One node group of one site."""

    site: str
    group: str


class SiteUsage(Usage):
    """One site."""

    site: str


class Pool(Usage):
    """The whole pool.

    Attributes:
        as_of: When the service last heard from the scheduler.
        stale: The scheduler is gone: the picture is as of then, and nothing can be changed.
    """

    name: str
    currency: str
    as_of: datetime | None
    stale: bool
    sites: tuple[SiteUsage, ...]
    groups: tuple[GroupUsage, ...]


class Node(Answer):
    """One machine of the pool; ``price_per_hour`` is None when nothing prices it."""

    name: str
    id: str
    site: str
    group: str
    status: NodeStatus
    address: str
    capacity: Resources
    allocated: Resources
    price_per_hour: str | None = None
    labels: dict[str, str] = {}


class PackageSummary(Answer):
    """A library package in one line."""

    name: str
    version: str
    summary: str
    privileged: bool = False


class PackageCommand(Answer):
    """Something that an app of a package can run."""

    name: str
    summary: str
    examples: tuple[str, ...] = ()


class PackageDetail(PackageSummary):
    """A library package; ``options`` is the JSON Schema of what an app of it may be given."""

    icon: str = ""
    readme: str = ""
    options: dict[str, Any] = {}
    endpoints: dict[str, str] = {}
    commands: tuple[PackageCommand, ...] = ()
    scalable: tuple[str, ...] = ()


class Progress(Answer):
    """How far a long step is, in bytes or in nodes; ``total`` is None when nobody knows."""

    what: str
    done: int
    total: int | None = None
    unit: Literal["bytes", "nodes"] = "bytes"


class Endpoint(Answer):
    """Where an app answers now; one entry an instance."""

    name: str
    url: str
    summary: str = ""


class AppGroup(Answer):
    """A task group of an app."""

    name: str
    desired: int
    running: int
    tasks: tuple[str, ...] = ()


class App(Answer):
    """An installed package.

    Attributes:
        status: ``degraded`` means healthy once, with fewer instances than wanted now.
        reason: Why it failed, or what an installation waits for; one line.
    """

    name: str
    package: str
    version: str
    options: dict[str, Any]
    status: AppStatus
    reason: str = ""
    progress: Progress | None = None
    groups: tuple[AppGroup, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether no installation is under way."""
        return self.status not in {"fetching", "submitting", "deploying"}


class InstallRequest(Request):
    """Installs a package under a name; the same again is a success that changes nothing."""

    package: Annotated[str, Field(max_length=64)]
    name: Name
    options: dict[str, Any] = {}
    version: Annotated[str, Field(max_length=64)] | None = None


class ScaleRequest(Request):
    """Gives a task group of an app another count; the package's first when none is named."""

    count: Annotated[int, Field(ge=0, le=100_000)]
    group: Annotated[str, Field(max_length=128)] = ""


class SubmitRequest(Request):
    """Runs a program on an app: the bytes as base64, or one of the package's examples."""

    command: Annotated[str, Field(max_length=64)] = "submit"
    program: Annotated[str, Field(max_length=1_000_000)] | None = None
    example: Annotated[str, Field(max_length=128)] | None = None
    args: Annotated[tuple[_Arg, ...], Field(max_length=1000)] = ()


class RunRequest(Request):
    """Runs one command once, somewhere in the pool.

    Attributes:
        command: Program and arguments; no shell is in between.
        site: Only there; anywhere when None.
        group: Only on nodes of this group.
        labels: Only on nodes that carry all of these labels.
    """

    command: Annotated[tuple[_Arg, ...], Field(min_length=1, max_length=1000)]
    cpu_mhz: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    memory_mib: Annotated[int, Field(ge=10, le=100_000_000)] = 128
    env: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], _Arg] = {}
    site: Annotated[str, Field(max_length=64)] | None = None
    group: Annotated[str, Field(max_length=64)] | None = None
    labels: dict[str, str] = {}


class Run(Answer):
    """A command that runs or ran once; ``app`` is the app whose command it is, if one."""

    id: str
    command: tuple[str, ...] = ()
    app: str = ""
    state: RunState
    exit_code: int | None = None
    reason: str = ""
    node: str = ""
    submitted: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state not in {"pending", "running"}


class Event(Answer):
    """One change.

    Attributes:
        kind: What changed; ``reset`` means that changes were missed, so read everything anew.
        name: Of the node, the app or the run.
        state: Its state now.
    """

    kind: Literal["node", "app", "run", "pool", "reset"]
    name: str = ""
    state: str = ""
    reason: str = ""
    progress: Progress | None = None
