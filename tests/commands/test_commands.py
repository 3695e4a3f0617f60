"""The commands, over a pool that answers from memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from commands.fake import POOL, WEB, FakePool, Panel, lines
from vdc.client.models import InstallRequest, NodeCounts, Run
from vdc.commands.grammar import app
from vdc.commands.session import Output
from vdc.errors import PoolError

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture
def panel() -> Panel:
    return Panel()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained_and_takes_output_and_yes(name):
    command = COMMANDS[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--output", "--yes"} <= options
    first = command.help.splitlines()[0]
    assert 10 < len(first.partition(". ")[0]) < 70
    for parameter in command.params:
        assert parameter.help, f"{name} {parameter.name}"


def test_there_are_the_commands_of_the_pool():
    assert " ".join(COMMANDS) == (
        "status pool nodes library apps events install scale stop logs supply run submit"
    )


# --- looking ---------------------------------------------------------------------


def test_status_in_one_look(panel):
    assert panel("status").exit_code == 0
    assert lines(panel.said) == [
        "lab  https://127.0.0.1:4700",
        "nodes   3 ready",
        "cpu     2.5 of 6.0 cores",
        "memory  3.9 GiB of 12.0 GiB",
        "price   0.06 USD/h",
        "",
        "app   package       status    running",
        "─" * 40,
        "web   hello 1.0.0   healthy   2/2 web",
    ]


@pytest.mark.parametrize(
    "pool",
    [
        FakePool(status=POOL.model_copy(update={"stale": True})),
        FakePool(status=POOL.model_copy(update={"nodes": NodeCounts(ready=2, down=1)})),
        FakePool(installed=[WEB.model_copy(update={"status": "degraded"})]),
    ],
    ids=["stale", "node down", "app degraded"],
)
def test_status_exits_with_4_when_something_is_not_well(pool):
    assert Panel(pool)("status").exit_code == 4


def test_a_pool_without_apps_says_what_to_do_next():
    panel = Panel(FakePool(installed=[]))
    assert panel("status").exit_code == 0
    assert "vdc install hello" in panel.said


def test_pool_by_group_with_the_sum(panel):
    panel("pool")
    assert "here   workers   3 ready     6.0         2.5    3.5" in panel.said
    assert lines(panel.said)[-1].startswith("all")


def test_library_shows_options_with_type_and_default(panel):
    panel("library", "spark")
    assert "memory    integer, 512 or more      1024   MiB that each worker gives" in panel.said
    assert "vdc submit APP example:pi" in panel.said
    panel("library")
    assert "hello     1.0.0" in panel.said


def test_an_app_in_detail_prints_options_as_text_and_not_as_markup(panel):
    panel("apps", "web")
    assert "http://127.0.0.1:2000/" in panel.said
    assert "message   [red]hi" in panel.said


def test_an_empty_list_says_so():
    panel = Panel(FakePool(installed=[]))
    panel("apps")
    assert panel.said == "none\n"


def test_json_is_what_the_api_says(panel):
    panel("apps", "web", "--output", "json")
    assert json.loads(panel.said) == WEB.model_dump(mode="json")
    panel("nodes", "-o", "json")
    assert json.loads(panel.said)[0]["capacity"]["cpu_mhz"] == 6000
    panel("status", "-o", "json")
    assert set(json.loads(panel.said)) == {"address", "pool", "apps"}


def test_events_are_lines_in_json_too(panel):
    panel("events")
    assert panel.said.split() == ["app", "web", "deploying", "x"]
    panel("events", "-o", "json")
    assert json.loads(panel.said)["kind"] == "app"


# --- changing --------------------------------------------------------------------


def test_install_reads_settings_as_the_types_of_their_options(panel, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("cores: 2\nworkers: 9\n")
    done = panel("install", "spark", "-n", "pi", "-f", str(values), "--set", "workers=3", "--yes")
    assert done.exit_code == 0
    assert panel.pool.asked[0] == ("spark", "pi", {"cores": 2, "workers": 3})
    assert lines(panel.notes) == [
        "pi: fetching spark",
        "pi: starting, until the app itself says that it is well",
    ]
    assert panel.said.startswith("pi  spark 1  healthy")


def test_an_app_is_named_after_its_package_unless_told_otherwise(panel):
    panel("install", "hello", "--no-wait")
    assert panel.pool.asked == [InstallRequest(package="hello", name="hello")]
    assert panel.said.startswith("hello  hello 1  fetching")


def test_an_installation_that_fails_says_why():
    panel = Panel(FakePool(refuses="pi is not healthy: this node has no Java 17"))
    error = panel("install", "spark", "--name", "pi").exception
    assert isinstance(error, PoolError)
    assert str(error) == "pi is not healthy: this node has no Java 17"
    assert error.exit_code == 4


def test_an_installation_may_take_too_long():
    panel = Panel(FakePool(slow=5))
    error = panel("install", "spark", "--name", "pi", "--timeout", "0.1").exception
    assert isinstance(error, PoolError)
    assert str(error) == "pi is not healthy after 0.1 s; it goes on: vdc apps pi"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("install", "hello", "--set", "count"), "--set count: write it as NAME=VALUE"),
        (("install", "hello", "--set", "a=1", "--set", "a.b=1"), "a is not an object"),
        (("install", "hello", "-f", "/no/such.yaml"), "No such file"),
        (("scale", "web", "many"), "many: write a whole number"),
        (("run", "--env", "HOME", "--", "true"), "--env HOME: write it as NAME=VALUE"),
        (("submit", "pi", "/no/such.py"), "No such file"),
    ],
)
def test_what_is_typed_wrong_is_told_and_changes_nothing(panel, words, reason):
    done = panel(*words)
    assert done.exit_code == 2
    assert reason in " ".join(done.output.split())
    assert not panel.pool.asked


def test_values_that_are_no_mapping_are_refused(panel, tmp_path):
    values = tmp_path / "values.yaml"
    for text in ("- 1\n", "a: [\n"):
        values.write_text(text)
        assert panel("install", "hello", "-f", str(values)).exit_code == 2


def test_files_are_read_by_whoever_calls():
    class Elsewhere(Panel):
        def read(self, path: Path) -> bytes:
            raise PoolError(f"{path} is a file of the service's machine; upload yours")

    error = Elsewhere()("submit", "pi", "/etc/passwd").exception
    assert isinstance(error, PoolError)


@pytest.mark.parametrize(
    ("count", "asked"), [("5", ("web", 5, "")), ("worker=3", ("web", 3, "worker"))]
)
def test_scale_takes_a_count_or_a_group_with_one(panel, count, asked):
    assert panel("scale", "web", count).exit_code == 0
    assert panel.pool.asked == [asked]


def test_stop_takes_apps_and_runs(panel):
    panel("stop", "web", "--purge")
    assert panel.said == "web is gone\n"
    panel("stop", "run-1")
    assert panel.said == "run-1 is stopped\n"
    assert panel.pool.asked == [("web", True), "run-1"]


def test_logs_go_through_as_they_are(panel):
    panel("logs", "web", "--task", "hello", "--stderr", "--tail", "5")
    assert panel.said == "\ufffd\x00one\ntwo\n"
    wanted = {"task": "hello", "stream": "stderr", "follow": False, "tail": 5}
    assert panel.pool.asked == [("web", wanted)]


# --- running ---------------------------------------------------------------------


def test_run_prints_what_the_command_prints_and_exits_as_it_does():
    ended = Run(id="run-1", state="failed", exit_code=7)
    panel = Panel(FakePool(ends=ended, prints={"stdout": b"out\n", "stderr": b"err\n"}))
    done = panel("run", "--cpu", "200", "--env", "A=b=c", "--", "sh", "-c", "x", "--output")
    assert done.exit_code == 7
    assert (panel.said, panel.notes) == ("out\n", "err\n")
    request = panel.pool.asked[0]
    assert request.command == ("sh", "-c", "x", "--output")
    assert (request.cpu_mhz, request.env) == (200, {"A": "b=c"})


def test_run_for_programs_collects_the_output():
    ended = Run(id="run-1", state="complete", exit_code=0)
    panel = Panel(FakePool(ends=ended, prints={"stdout": b"out\xff\n"}), Output.JSON)
    assert panel("run", "--", "true").exit_code == 0
    said = json.loads(panel.said)
    assert (said["stdout"], said["stderr"], said["run"]["exit_code"]) == ("out\ufffd\n", "", 0)


def test_a_run_without_an_exit_code_exits_with_125():
    ended = Run(id="run-1", state="lost", reason="its node went away")
    panel = Panel(FakePool(ends=ended))
    assert panel("run", "--", "true").exit_code == 125
    assert panel.notes == "run-1 lost: its node went away\n"


def test_run_without_a_command_lists_the_runs(panel):
    assert panel("run").exit_code == 0
    assert "run-1   failed      3          /bin/false" in panel.said


def test_detached_it_returns_at_once(panel):
    assert panel("run", "--detach", "--", "sleep", "9").exit_code == 0
    assert panel.said == "run-1  pending\n"


def test_submit_takes_a_file_or_an_example(panel, tmp_path):
    program = tmp_path / "count.py"
    program.write_text("print(1)\n")
    assert panel("submit", "pi", str(program), "--", "a", "--b").exit_code == 0
    assert panel("submit", "pi", "example:pi", "20").exit_code == 0
    submitted = [asked for asked in panel.pool.asked if asked[0] == "pi"]
    assert submitted == [
        ("pi", {"program": b"print(1)\n", "args": ("a", "--b")}),
        ("pi", {"example": "pi", "args": ("20",)}),
    ]


# --- at the shell ----------------------------------------------------------------


def test_without_a_session_it_is_a_mistake_of_ours():
    from typer.testing import CliRunner

    assert isinstance(CliRunner().invoke(app, ["pool"]).exception, TypeError)
