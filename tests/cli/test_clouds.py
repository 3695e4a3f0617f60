"""``vdc preflight`` and ``vdc reap`` as a user meets them, over a back end in memory."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provider.clouds import Cloud, thing
from vdc.cli import clouds, engine, project, state
from vdc.cli.before import ready
from vdc.cli.clouds import app
from vdc.cli.project import find_stack
from vdc.declaration.finding import Finding
from vdc.errors import DeclarationError, MissingExtraError, NodeError, StackError
from vdc.home import Home
from vdc.toolchain.found import Paths
from vdc.toolchain.found import paths as toolchain_paths

REPOSITORY = Path(__file__).parents[2]
GOOD = """\
name: dc
control: {site: here}
sites:
  here:
    kind: local
    groups:
      workers:
        count: 3
        size: {cpu: 2, memory: 4GiB, disk: 10GiB}
"""
COUNT = ("sites", "here", "groups", "workers", "count")
PULUMI = """#!/bin/sh
# What `pulumi stack export` prints, or how it fails.
cat "$0.says" 2>/dev/null && exit 0
cat "$0.fails" >&2
exit 1
"""


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    """A checkout whose only kind of site has a back end for once."""
    for name in [*os.environ]:
        if name.startswith(("PULUMI_", "VDC_")) and name != "VDC_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("VDC_HOME", str(tmp_path / "home"))
    checkout = tmp_path / "checkout"
    (checkout / "stacks").mkdir(parents=True)
    (checkout / "stacks" / "blue.yaml").write_text(GOOD)
    (checkout / "Pulumi.yaml").write_text("name: mine\nruntime: python\n")
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("VDC_STACK", "blue")
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    engine.write_text(PULUMI)
    engine.chmod(0o755)
    monkeypatch.setattr(project, "paths", lambda _home: Paths(engine, engine))
    monkeypatch.setenv("PATH", f"{engine.parent}:{os.environ['PATH']}")
    # `vdc` itself prefers the scripts of its environment, where the real engine may lie.
    monkeypatch.setattr(project.sysconfig, "get_path", lambda _name: str(engine.parent))
    made = Cloud()
    monkeypatch.setattr("vdc.provider.drivers.local.BACKEND", made.backend, raising=False)
    return made


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def recorded(*resources, **deployment) -> None:
    """Gives the stack a state."""
    stack = find_stack(None)
    file = stack.own_backend / ".pulumi" / "stacks" / "mine" / "blue.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = {"deployment": {"resources": resources, **deployment}}
    file.write_text(json.dumps(whole))
    Path(os.environ["PATH"].split(":")[0], "pulumi.says").write_text(json.dumps(whole))


# --- preflight -----------------------------------------------------------------------------------


def test_preflight_says_every_problem_at_once_with_its_line(cloud):
    cloud.findings = [
        Finding(COUNT, "is too much (got 3)", "lower it"),
        Finding(("sites", "here", "region"), "is not known (got Mars)", "did you mean Marseille?"),
        Finding(("sites", "here"), "answers slowly", "wait", level="warning"),
    ]
    done = run("preflight")
    assert done.exit_code == DeclarationError.exit_code
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "stacks/blue.yaml:4 warning: sites.here: answers slowly; wait",
        "stacks/blue.yaml:4 sites.here.region: is not known (got Mars); did you mean Marseille?",
        "stacks/blue.yaml:8 sites.here.groups.workers.count: is too much (got 3); lower it",
    ]


def test_preflight_knows_what_the_state_records(cloud):
    assert run("preflight").exit_code == 0
    assert cloud.recorded == []
    recorded({"id": "group", "outputs": {"place": {"project": "p-1"}}})
    assert run("preflight").exit_code == 0
    assert [each["id"] for each in cloud.recorded] == ["group"]


def test_preflight_as_json(cloud):
    cloud.findings = [Finding(COUNT, "is too much (got 3)", "lower it")]
    done = run("preflight", "--output", "json", "--yes")
    told = json.loads(done.stdout)
    assert (told["stack"], told["ok"]) == ("blue", False)
    (problem,) = told["problems"]
    assert (problem["line"], problem["path"]) == (8, "sites.here.groups.workers.count")


@pytest.mark.parametrize("level", ["warning", None])
def test_preflight_without_an_error_is_ready(cloud, level):
    cloud.findings = [Finding(COUNT, "is a lot", "wait", level=level)] if level else []
    done = run("preflight")
    assert done.exit_code == 0
    assert done.stdout == "stacks/blue.yaml: ready (here)\n"
    assert bool(done.stderr) is bool(level)


@pytest.mark.usefixtures("cloud")
def test_preflight_where_nobody_is_to_be_asked(monkeypatch):
    monkeypatch.delattr("vdc.provider.drivers.local.BACKEND")
    assert run("preflight").stdout == "stacks/blue.yaml: ready (no site has a cloud to ask)\n"


@pytest.mark.usefixtures("cloud")
def test_the_components_own_sdk_is_asked_for_too(monkeypatch):
    def component(kind):
        raise MissingExtraError(kind, "pulumi_cirrus")

    monkeypatch.setattr("vdc.sites.registry.component", component)
    done = run("preflight")
    assert done.exit_code == DeclarationError.exit_code
    assert "stacks/blue.yaml:5 sites.here.kind: " in done.stderr
    assert "pulumi_cirrus; install it with: pip install 'vdc[local]'" in done.stderr


@pytest.mark.parametrize(
    ("kind", "package"),
    [
        ("openstack", "openstack"),
        ("openstack", "pulumi_openstack"),
        ("aws", "boto3"),
        ("aws", "pulumi_aws"),
    ],
)
def test_a_missing_sdk_names_the_extra_at_the_sites_line(kind, package, tmp_path):
    checkout = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "examples" / kind, checkout)
    without = (
        "import sys; sys.modules[sys.argv.pop(1)] = None; from vdc.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", without, package, "preflight", "--stack", kind],
        cwd=checkout,
        # Nobody's credential, and no question to a metadata service for one.
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == DeclarationError.exit_code
    (line,) = [line for line in done.stderr.splitlines() if "Python package" in line]
    declared = (checkout / "stacks" / f"{kind}.yaml").read_text().splitlines()
    number = declared.index(f"    kind: {kind}") + 1
    assert line.startswith(f"stacks/{kind}.yaml:{number} sites.")
    assert line.endswith(
        f"the Python package {package}; install it with: pip install 'vdc[{kind}]'"
    )
    assert "Traceback" not in done.stderr


def test_up_asks_before_anything_is_made(cloud):
    from vdc.cli.stack import app as stacks

    cloud.findings = [Finding(COUNT, "is too much (got 3)", "lower it")]
    done = CliRunner().invoke(stacks, ["up", "--yes"])
    assert isinstance(done.exception, DeclarationError)
    assert str(done.exception).startswith("stacks/blue.yaml:8 sites.here.groups.workers.count: ")
    assert not find_stack(None).own.root.exists()


# --- reap ----------------------------------------------------------------------------------------


def test_reap_lists_and_removes_nothing_until_told(cloud):
    recorded({"id": "b"})
    cloud.things = [thing("a", site="here"), thing("b", site="here"), thing("c", stack="green")]
    done = run("reap")
    assert done.exit_code == 0
    assert "name-of-a" in done.stdout
    assert "name-of-b" not in done.stdout
    assert "vdc reap --yes removes them" in done.stderr
    assert cloud.removed == []


def test_reap_removes_what_no_state_records(cloud):
    recorded({"id": "b"})
    cloud.things = [thing("a", site="here"), thing("b", site="here"), thing("c", stack="green")]
    done = run("reap", "--yes")
    assert done.exit_code == 0
    assert cloud.removed == ["a"]
    assert "vdc: gone from here: server name-of-a (a)" in done.stderr
    again = run("reap", "--yes")
    assert again.stdout == "nothing with the tags of dc/blue is forgotten at here\n"
    assert cloud.removed == ["a"]


def test_reap_works_without_a_state_and_says_so(cloud):
    cloud.things = [thing("a"), thing("net", 1)]
    done = run("reap", "--yes", "--output", "json")
    assert done.exit_code == 0
    assert "there is no state of the stack blue" in done.stderr
    told = json.loads(done.stdout)["things"]
    assert [(one["id"], one["state"], one["site"]) for one in told] == [
        ("a", "gone", "north"),
        ("net", "gone", "north"),
    ]
    assert cloud.things == []


def test_reap_as_json_without_yes_only_lists(cloud):
    cloud.things = [thing("a")]
    told = json.loads(run("reap", "--output", "json").stdout)["things"]
    assert [(one["id"], one["state"]) for one in told] == [("a", "found")]
    assert cloud.removed == []


def test_reap_says_what_is_left_and_fails(cloud):
    recorded()
    cloud.things, cloud.stuck = [thing("a"), thing("net", 1)], {"a"}
    done = run("reap", "--yes", "--output", "json")
    assert isinstance(done.exception, NodeError)
    assert str(done.exception).splitlines() == [
        "here: server name-of-a (a): 409 it is in use",
        "here: server name-of-net (net): not tried: what may need it is still there",
    ]
    told = {one["id"]: one for one in json.loads(done.stdout)["things"]}
    assert told["a"]["state"] == told["net"]["state"] == "left"
    assert told["a"]["reason"] == "409 it is in use"


@pytest.mark.usefixtures("cloud")
def test_reap_knows_only_declared_sites():
    done = run("reap", "--site", "mars")
    assert done.exit_code == 2
    assert "mars is no site" in done.stderr


def test_a_state_that_cannot_be_read_says_nothing_of_what_is_recorded(cloud):
    recorded({"id": "a"})
    pulumi = Path(os.environ["PATH"].split(":")[0], "pulumi")
    pulumi.with_name("pulumi.says").unlink()
    pulumi.with_name("pulumi.fails").write_text("error: no route to host\n")
    cloud.things = [thing("a")]
    done = run("reap", "--yes")
    assert isinstance(done.exception, StackError)
    assert "no route to host" in str(done.exception)
    assert cloud.removed == []


@pytest.mark.usefixtures("cloud")
def test_a_teams_backend_that_knows_no_such_stack_has_no_state(monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://team")
    pulumi = Path(os.environ["PATH"].split(":")[0], "pulumi")
    pulumi.with_name("pulumi.fails").write_text("error: no stack named 'blue' found\n")
    assert state.read(find_stack(None), {**os.environ}) is None


def test_reap_touches_nothing_while_a_run_is_at_work(cloud):
    recorded()
    held = find_stack(None).own_backend / ".pulumi/locks/organization/mine/blue/1.json"
    held.parent.mkdir(parents=True)
    held.write_text(json.dumps({"pid": 1, "hostname": f"not-{socket.gethostname()}"}))
    cloud.things = [thing("a")]
    done = run("reap", "--yes")
    assert isinstance(done.exception, StackError)
    assert "at work (process 1)" in str(done.exception)
    assert cloud.removed == []


def test_a_run_that_begins_meanwhile_stops_the_reaping(cloud):
    recorded()
    cloud.things = [thing("a")]
    cloud.asks = lambda _site: recorded(pending_operations=[{"resource": {"urn": "x::y"}}])
    done = run("reap", "--yes")
    assert isinstance(done.exception, StackError)
    assert "is at work, or was interrupted" in str(done.exception)
    assert cloud.removed == []


def test_what_is_recorded_while_the_question_stands_is_kept(cloud, monkeypatch):
    recorded()
    cloud.things = [thing("a"), thing("b")]

    def agreed(_found):
        recorded({"id": "a"})
        return True

    monkeypatch.setattr(clouds, "_agreed", agreed)
    assert run("reap").exit_code == 0
    assert cloud.removed == ["b"]


# --- with Pulumi's own state ---------------------------------------------------------------------


@pytest.mark.real
def test_reap_by_a_real_state_and_by_none(cloud, monkeypatch):
    engines = toolchain_paths(Home(Path("/nowhere"), Home.of_user().cache))
    monkeypatch.setattr(project, "paths", lambda _home: engines)
    monkeypatch.setattr(project.sysconfig, "get_path", lambda _name: str(engines.pulumi.parent))
    stack = find_stack(None)
    environment = ready(stack)
    empty = json.loads(engine.ask(stack, environment, "stack", "export"))
    urn = "urn:pulumi:blue::mine::vdc:test:Group::"
    whole = {"custom": True, "type": "vdc:test:Group"}
    empty["deployment"]["resources"] = [
        {
            "urn": "urn:pulumi:blue::mine::pulumi:pulumi:Stack::mine-blue",
            "type": "pulumi:pulumi:Stack",
        },
        {**whole, "urn": f"{urn}a", "id": "group", "outputs": {"nodes": {"n-0": {"id": "a"}}}},
        {**whole, "urn": f"{urn}b", "id": "b"},
    ]
    engine.ask(stack, environment, "stack", "import", text=json.dumps(empty))
    cloud.things = [thing(name, 0, site="here") for name in "abc"]
    assert listed() == ["c"]

    stack.state_file.unlink()  # its copy stays beside it
    assert listed() == ["a", "b", "c"]
    assert cloud.removed == []
    assert run("reap", "--yes").exit_code == 0
    assert cloud.things == []
    ready(stack)
    assert stack.state_file.exists()


def listed() -> list[str]:
    return [one["id"] for one in json.loads(run("reap", "--output", "json").stdout)["things"]]
