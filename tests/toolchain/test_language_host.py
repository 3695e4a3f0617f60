# ruff: noqa: N802, the protocol's names
"""Our language host as the engine sees it: what it reports, and that it never outlives it."""

from __future__ import annotations

import os
import queue
import select
import shutil
import signal
import subprocess
import sys
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from vdc.home import Home
from vdc.toolchain.found import cached, find
from vdc.toolchain.install import obtain
from vdc.toolchain.pins import HOST
from vdc.toolchain.progress import reporter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real
SECONDS = 20


@dataclass
class Engine(engine_pb2_grpc.EngineServicer, resource_pb2_grpc.ResourceMonitorServicer):
    """As much of an engine as a program without resources speaks to."""

    log: list[tuple[int, str]] = field(default_factory=list)
    asked: queue.Queue[str] = field(default_factory=queue.Queue)
    held_for: int = 0
    woken: list[str] = field(default_factory=list)
    address: str = ""
    server: grpc.Server | None = None

    def Log(self, request, _context):
        self.log.append((request.severity, request.message))
        return empty_pb2.Empty()

    def GetRootResource(self, _request, _context):
        return engine_pb2.GetRootResourceResponse()

    def SetRootResource(self, _request, _context):
        return engine_pb2.SetRootResourceResponse()

    def SupportsFeature(self, _request, _context):
        return resource_pb2.SupportsFeatureResponse(hasSupport=False)

    def Invoke(self, request, context):
        self.asked.put(request.tok)
        context.abort(grpc.StatusCode.UNKNOWN, "there is no such function")

    def RegisterResource(self, request, _context):
        self.woken = [self.asked.get(timeout=SECONDS) for _ in range(self.held_for)]
        return resource_pb2.RegisterResourceResponse(urn=f"urn:{request.name}")

    def RegisterResourceOutputs(self, _request, _context):
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, _request, _context):
        return empty_pb2.Empty()

    @property
    def errors(self) -> list[str]:
        return [text for severity, text in self.log if severity == engine_pb2.ERROR]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(engine, server)
    engine.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    engine.server = server
    server.start()
    yield engine
    server.stop(grace=None).wait()


@dataclass
class Host:
    """A running language host."""

    process: subprocess.Popen[str]
    stub: language_pb2_grpc.LanguageRuntimeStub
    engine: Engine
    folder: Path
    calls: list[grpc.Future] = field(default_factory=list)

    def run(self, program: str) -> language_pb2.RunResponse:
        return self.begin(program).result(SECONDS)

    def begin(self, program: str) -> grpc.Future:
        (self.folder / "__main__.py").write_text(program)
        call = self.stub.Run.future(
            language_pb2.RunRequest(
                project="test",
                stack="dev",
                pwd=str(self.folder),
                parallel=4,
                monitor_address=self.engine.address,
                config={"test:colour": "red"},
                info=language_pb2.ProgramInfo(
                    root_directory=str(self.folder),
                    program_directory=str(self.folder),
                    entry_point=".",
                ),
            )
        )
        self.calls.append(call)  # a call that nobody holds is cancelled
        return call


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """Built once into the user's cache, also where Pulumi brought the official one."""
    home = Home.of_user()
    if not find(HOST, home).ok and not shutil.which("go"):
        pytest.skip("there is no Go to build the language host with")
    obtain(HOST, home, reporter())


@contextmanager
def running(engine: Engine, folder: Path) -> Iterator[Host]:
    command = [cached(HOST, Home.of_user()), sys.executable, "-root=.", engine.address]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = language_pb2_grpc.LanguageRuntimeStub(channel)
                yield Host(process, stub, engine, folder)
        finally:
            process.kill()


@pytest.fixture
def host(engine: Engine, tmp_path: Path) -> Iterator[Host]:
    with running(engine, tmp_path) as host:
        yield host


def printed(host: Host) -> str:
    return host.process.stdout.readline().strip()


def test_runs_a_program_with_its_settings(host) -> None:
    answer = host.run(
        "import os, sys, pulumi\n"
        "print(pulumi.Config('test').get('colour'), pulumi.get_stack(), os.getcwd(), sys.argv)"
    )
    assert (answer.error, answer.bail, host.engine.errors) == ("", False, [])
    assert printed(host) == f"red dev {host.folder} ['{host.folder}']"


def test_the_project_s_providers_start_while_the_program_is_imported(host) -> None:
    (host.folder / "Pulumi.yaml").write_text("plugins: {providers: [{name: a}, {name: b}]}")
    host.engine.held_for = 2  # the program's first resource has to wait until they are asked
    answer = host.run("import pulumi")
    assert (answer.error, answer.bail, host.engine.errors) == ("", False, [])
    assert host.engine.woken == ["a:index:wake", "b:index:wake"]


@pytest.mark.parametrize("project", ["", "plugins: {}", "plugins: [", "plugins: {providers: [1]}"])
def test_a_project_without_providers_wakes_none(host, project) -> None:
    (host.folder / "Pulumi.yaml").write_text(project)
    assert host.run("import pulumi").error == ""
    assert host.engine.asked.empty()


def test_each_run_imports_the_programs_own_modules_afresh(host) -> None:
    (host.folder / "own.py").write_text("print('imported')")
    host.run("import own")
    host.run("import own")
    assert [printed(host), printed(host)] == ["imported", "imported"]


def test_a_run_error_is_just_its_message(host) -> None:
    answer = host.run("import pulumi\nraise pulumi.RunError('line one\\nline two')")
    assert (answer.bail, answer.error) == (True, "")
    assert host.engine.errors == ["line one\nline two"]


def test_another_exception_is_a_traceback_of_the_program(host) -> None:
    answer = host.run("def f():\n    raise ValueError('bad')\nf()")
    assert (answer.bail, answer.error) == (True, "")
    file = host.folder / "__main__.py"
    [error] = host.engine.errors
    assert error.splitlines() == [
        "Program failed with an unhandled exception:",
        "Traceback (most recent call last):",
        f'  File "{file}", line 3, in <module>',
        "    f()",
        f'  File "{file}", line 2, in f',
        "    raise ValueError('bad')",
        "ValueError: bad",
    ]


def test_a_question_that_a_provider_cannot_answer_is_one_line(host) -> None:
    said = "invoke of aws:ec2/getAmi:getAmi failed: invocation of aws:ec2/getAmi:getAmi returned "
    answer = host.run(f"raise Exception({said + 'an error: no such image'!r})")
    assert (answer.bail, answer.error) == (True, "")
    assert host.engine.errors == ["aws:ec2/getAmi:getAmi: no such image"]


def test_an_error_in_the_programs_syntax_names_its_line(host) -> None:
    assert host.run("x = = 1").bail
    [error] = host.engine.errors
    assert f'File "{host.folder / "__main__.py"}", line 1' in error
    assert error.endswith("SyntaxError: invalid syntax\n")


@pytest.mark.parametrize(
    ("code", "error"),
    [("", ""), ("0", ""), ("3", "Program exited with non-zero exit code: 3")],
)
def test_exit_ends_the_program_and_not_the_host(code, error, host) -> None:
    assert host.run(f"import sys\nsys.exit({code})").error == error
    assert host.run("print('still here')").error == ""
    assert printed(host) == "still here"


BLOCKED = "import threading\nprint('running')\nthreading.Event().wait()"


@pytest.mark.parametrize("program", [None, BLOCKED], ids=["idle", "running"])
def test_ends_when_its_engine_is_gone(program, host) -> None:
    if program:
        host.begin(program)
        assert printed(host) == "running"
    host.engine.server.stop(grace=None).wait()
    assert host.process.wait(SECONDS) == 0


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("program", [None, BLOCKED], ids=["idle", "running"])
def test_ends_quietly_on_a_signal(name, program, host) -> None:
    if program:
        host.begin(program)
        assert printed(host) == "running"
    host.process.send_signal(name)
    assert host.process.wait(SECONDS) == 0
    assert host.process.stderr.read() == ""


def test_a_program_ends_with_its_host(host) -> None:
    code = "import os, threading\nprint(os.getpid(), flush=True)\nthreading.Event().wait()"
    host.begin(code)
    program = os.pidfd_open(int(printed(host)))
    host.process.kill()
    assert select.select([program], [], [], SECONDS)[0]
    os.close(program)


def test_a_program_whose_python_dies_is_an_error(host) -> None:
    with pytest.raises(grpc.RpcError, match=r"the program's Python ended \(exit status 3\)"):
        host.run("import os\nos._exit(3)")


def test_a_child_of_the_program_that_stays_holds_nothing_up(host) -> None:
    code = "import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    assert host.run(code).error == ""
    os.kill(int(printed(host)), signal.SIGKILL)


def test_ends_when_the_engine_cancels(host) -> None:
    host.begin(BLOCKED)
    assert printed(host) == "running"
    host.stub.Cancel(empty_pb2.Empty(), timeout=SECONDS)
    assert host.process.wait(SECONDS) == 0


def test_an_engine_that_is_gone_before_it_starts(engine, tmp_path) -> None:
    engine.server.stop(grace=None).wait()
    with running(engine, tmp_path) as host:
        assert host.process.wait(SECONDS) == 0


def test_says_what_it_is(host) -> None:
    about = host.stub.About(language_pb2.AboutRequest())
    assert about.executable == sys.executable
    assert host.stub.GetPluginInfo(empty_pb2.Empty()).version.startswith("3.")
    assert not host.stub.GetRequiredPlugins(language_pb2.GetRequiredPluginsRequest()).plugins
    assert not host.stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest()).packages
    assert list(host.stub.InstallDependencies(language_pb2.InstallDependenciesRequest())) == []
