"""Which stack a command is about, and the environment that plain pulumi gets."""

import stat

import pytest

from vdc.cli import project
from vdc.cli.project import find_stack
from vdc.errors import StackError
from vdc.toolchain.found import Paths


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project, a home, and no variable of the shell's."""
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("VDC_STACK", raising=False)
    monkeypatch.setenv("VDC_HOME", str(tmp_path / "home"))
    engines = Paths(tmp_path / "pulumi-1/bin/pulumi", tmp_path / "nomad-1/bin/nomad")
    monkeypatch.setattr(project, "paths", lambda _home: engines)
    root = tmp_path / "checkout"
    (root / "stacks" / "deep").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: mine\nruntime: python\n")
    return root


def test_the_project_is_found_from_any_folder_inside(checkout):
    assert find_stack(None, checkout / "stacks" / "deep").root == checkout
    with pytest.raises(StackError, match="is in no vdc project"):
        find_stack(None, checkout.parent)


def test_the_stack_is_the_one_named_else_the_shells_else_local(checkout, monkeypatch):
    assert find_stack(None, checkout).name == "local"
    monkeypatch.setenv("VDC_STACK", "shell")
    assert find_stack(None, checkout).name == "shell"
    assert find_stack("named", checkout).name == "named"


def test_the_engines_come_first_on_path_and_only_once(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    first = find_stack(None, checkout).environment()["PATH"]
    assert first.endswith("/nomad-1/bin:/usr/bin")
    monkeypatch.setenv("PATH", first)
    assert find_stack(None, checkout).environment()["PATH"] == first


def test_a_backend_or_passphrase_that_the_team_chose_is_left_alone(checkout, monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://team")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/run/secrets/team")
    stack = find_stack(None, checkout)
    assert stack.own_backend is None
    chosen = {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE"}
    assert not chosen & stack.environment().keys()


def test_a_backend_that_the_project_names_is_left_alone(checkout):
    with (checkout / "Pulumi.yaml").open("a") as file:
        file.write("backend: {url: 's3://team'}\n")
    stack = find_stack(None, checkout)
    assert stack.own_backend is None
    assert "PULUMI_BACKEND_URL" not in stack.environment()


def test_each_stack_has_its_own_passphrase_even_in_a_shell_prepared_for_another(
    checkout, monkeypatch
):
    first, second = find_stack("first", checkout), find_stack("second", checkout)
    for name, value in first.environment().items():
        monkeypatch.setenv(name, value)
    named = second.environment()["PULUMI_CONFIG_PASSPHRASE_FILE"]
    assert named == str(second.own.passphrase) != str(first.own.passphrase)


def test_a_passphrase_is_random_private_and_never_replaced(checkout):
    stack = find_stack(None, checkout)
    stack.claim()
    made = stack.own.passphrase.read_text()
    assert len(made) >= 32
    assert stat.S_IMODE(stack.own.passphrase.stat().st_mode) == 0o600
    stack.claim()
    assert stack.own.passphrase.read_text() == made


def test_a_stack_of_the_same_name_in_another_project_is_refused(checkout):
    find_stack(None, checkout).claim()
    (checkout / "Pulumi.yaml").write_text("name: theirs\n")
    with pytest.raises(StackError, match="a stack local of the project mine on this machine"):
        find_stack(None, checkout).claim()
