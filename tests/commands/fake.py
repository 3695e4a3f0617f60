"""A pool that answers from memory, in place of the client."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from vdc.client.models import (
    App,
    AppGroup,
    Endpoint,
    Event,
    GroupUsage,
    InstallRequest,
    Node,
    NodeCounts,
    PackageCommand,
    PackageDetail,
    PackageSummary,
    Pool,
    Progress,
    Resources,
    Run,
    RunRequest,
    SiteUsage,
)
from vdc.commands.grammar import app
from vdc.commands.session import Output, Session
from vdc.errors import PoolError
from vdc.library import load

USAGE: dict[str, Any] = {
    "total": Resources(cpu_mhz=6000, memory_mib=12288, disk_mib=30720),
    "allocated": Resources(cpu_mhz=2500, memory_mib=3968, disk_mib=2300),
    "free": Resources(cpu_mhz=3500, memory_mib=8320, disk_mib=28420),
    "nodes": NodeCounts(ready=3),
    "price_per_hour": "0.06",
}
POOL = Pool(
    name="lab", currency="USD", as_of=None, stale=False, **USAGE,
    sites=(SiteUsage(site="here", **USAGE),),
    groups=(GroupUsage(site="here", group="workers", **USAGE),),
)  # fmt: skip
WEB = App(
    name="web", package="hello", version="1.0.0", options={"count": 2, "message": "[red]hi"},
    status="healthy", groups=(AppGroup(name="web", desired=2, running=2, tasks=("hello",)),),
    endpoints=(Endpoint(name="http", url="http://127.0.0.1:2000/", summary="The message"),),
)  # fmt: skip
NODE = Node(
    name="lab-here-workers-0", id="1", site="here", group="workers", status="ready",
    address="127.0.0.1", capacity=USAGE["total"], allocated=USAGE["allocated"],
    price_per_hour="0.02",
)  # fmt: skip


@dataclass
class FakePool:
    """Stands in for ``PoolClient``; remembers what it was asked for."""

    address: str = "https://127.0.0.1:4700"
    status: Pool = POOL
    installed: list[App] = field(default_factory=lambda: [WEB])
    asked: list[Any] = field(default_factory=list)
    slow: float = 0.0
    refuses: str = ""
    ends: Run = field(default_factory=lambda: Run(id="run-1", state="complete", exit_code=0))
    prints: Mapping[str, bytes] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def pool(self) -> Pool:
        return self.status

    def nodes(self) -> list[Node]:
        return [NODE]

    def library(self) -> list[PackageSummary]:
        return [
            PackageSummary(name=package.name, version=package.version, summary=package.summary)
            for package in load().packages
        ]

    def package(self, name: str) -> PackageDetail:
        package = load().get(name)
        return PackageDetail(
            name=name, version=package.version, summary=package.summary,
            options=dict(package.options_schema),
            endpoints={endpoint.name: endpoint.summary for endpoint in package.endpoints},
            commands=tuple(
                PackageCommand(name=c.name, summary=c.summary, examples=tuple(c.examples))
                for c in package.commands.values()
            ),
        )  # fmt: skip

    def apps(self) -> list[App]:
        return self.installed

    def app(self, name: str) -> App:
        for installed in self.installed:
            if installed.name == name:
                return installed
        raise PoolError(f"there is no app {name}", 404)

    def events(self) -> Iterator[Event]:
        yield Event(kind="reset")
        yield Event(kind="app", name="web", state="deploying", progress=Progress(what="x", done=1))

    def begin_install(self, request: InstallRequest) -> App:
        self.asked.append(request)
        return App(name=request.name, package=request.package, version="1", options={},
                   status="fetching")  # fmt: skip

    def install(
        self, package: str, name: str, options: Mapping[str, Any],
        on_progress: Callable[[App], None],
    ) -> App:  # fmt: skip
        self.asked.append((package, name, dict(options)))
        begun = self.begin_install(InstallRequest(package=package, name=name))
        progress = Progress(what="fetching spark", done=100_000_000, total=400_000_000)
        on_progress(begun.model_copy(update={"progress": progress}))
        on_progress(begun.model_copy(update={"status": "deploying"}))
        time.sleep(self.slow)
        if self.refuses:
            raise PoolError(self.refuses)
        self.installed.append(begun.model_copy(update={"status": "healthy"}))
        return self.installed[-1]

    def scale(self, name: str, count: int, group: str, on_progress: Callable[[App], None]) -> App:
        self.asked.append((name, count, group))
        on_progress(WEB)
        return WEB

    def stop(self, name: str, *, purge: bool) -> None:
        self.asked.append((name, purge))

    def stop_run(self, run_id: str) -> None:
        self.asked.append(run_id)

    def logs(self, name: str, **wanted: Any) -> Iterator[bytes]:
        self.asked.append((name, wanted))
        yield b"\xff\x00one\n"
        yield b"two\n"

    def run_logs(self, run_id: str, *, stream: str = "stdout", **wanted: Any) -> Iterator[bytes]:
        self.asked.append((run_id, stream, wanted))
        if stream not in self.prints:
            raise PoolError("nothing has started yet", 404)
        yield self.prints[stream]

    def run(self, request: RunRequest) -> Run:
        self.asked.append(request)
        return Run(id="run-1", state="pending")

    def runs(self) -> list[Run]:
        return [Run(id="run-1", state="failed", exit_code=3, command=("/bin/false",))]

    def submit(self, app: str, **wanted: Any) -> Run:
        self.asked.append((app, wanted))
        return Run(id="run-1", state="pending")

    def wait_run(self, run_id: str) -> Run:
        assert run_id == self.ends.id
        return self.ends


@dataclass
class Panel:
    """Calls the commands as the console's panel would, and keeps what they write."""

    pool: FakePool = field(default_factory=FakePool)
    output: Output = Output.TABLE
    connect: Callable[[], Any] | None = None

    def __call__(self, *words: str) -> Result:
        self.results, self.noted = io.StringIO(), io.StringIO()
        session = Session(
            connect=self.connect or (lambda: self.pool),  # type: ignore[arg-type, return-value]
            console=Console(file=self.results, width=110, highlight=False),
            notes=Console(file=self.noted, width=110, highlight=False),
            output=self.output,
            read=self.read,
        )
        return CliRunner().invoke(app, list(words), obj=session, catch_exceptions=True)

    def read(self, path: Path) -> bytes:
        """Files as the test says."""
        return path.read_bytes()

    @property
    def said(self) -> str:
        """The results."""
        return self.results.getvalue()

    @property
    def notes(self) -> str:
        """Everything else."""
        return self.noted.getvalue()


def lines(text: str) -> Sequence[str]:
    """Lines without what pads them."""
    return [line.rstrip() for line in text.splitlines()]
