"""What every command of vdc has in common."""

import subprocess
import sys
from importlib import import_module

import pytest
from typer.main import get_command, get_group

from vdc.cli.main import PARTS, app
from vdc.errors import VdcError


def commands(group=None, path=()):
    """Every command with its path, however deep."""
    group = group or get_command(app)
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = {" ".join(path): command for path, command in commands()}

PROMISED = {
    *("validate", "plan", "up", "preview", "destroy", "init", "env", "token"),
    *("preflight", "reap"),
    *("status", "pool", "nodes", "library", "apps"),
    *("install", "scale", "stop", "logs", "run", "submit"),
    *("toolchain install", "toolchain status"),
}


def test_every_promised_command_is_there():
    assert COMMANDS.keys() >= PROMISED


@pytest.mark.parametrize("module", PARTS)
def test_a_module_is_imported_for_exactly_its_commands(module: str):
    assert set(get_group(import_module(module).app).commands) == set(PARTS[module])


def test_only_what_a_command_needs_is_imported():
    program = (
        "import sys; from typer.main import get_command; from vdc.cli.main import app\n"
        "get_command(app).get_command(None, 'up')\n"
        "print(*sys.modules, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"httpx", "jsonschema", "pulumi"} & set(done.stdout.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_and_takes_output_and_yes(name: str):
    command = COMMANDS[name]
    options = {flag for param in command.params for flag in param.opts}
    assert {"--output", "--yes"} <= options
    assert command.help
    assert command.help.strip().splitlines()[0].endswith((".", ":"))


def test_an_error_is_one_line_and_its_traceback_comes_only_when_asked_for(tmp_path):
    def run(*arguments: str):
        return subprocess.run(
            [sys.executable, "-c", "from vdc.cli.main import main; main()", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    plain, debugged = run("up"), run("--debug", "up")
    assert plain.returncode == 3
    assert plain.stdout == ""
    assert plain.stderr == (
        f"vdc: {tmp_path} is in no vdc project (no Pulumi.yaml with stacks/ beside it here or "
        "above); change to one\n"
    )
    assert "Traceback" in debugged.stderr


def test_every_error_has_a_documented_exit_code():
    from vdc.commands.exits import TABLE

    def classes(root=VdcError):
        yield root
        for child in root.__subclasses__():
            yield from classes(child)

    documented = {line.split()[0] for line in TABLE.splitlines() if line[:1].isdigit()}
    assert {str(found.exit_code) for found in classes()} <= documented
