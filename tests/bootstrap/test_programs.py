"""What is installed on a node: scripts that every POSIX shell reads, units that systemd takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vdc.bootstrap import layout
from vdc.declaration.os import OLDEST_PYTHON

FILES = Path(layout.__file__).parent / "files"
UNITS = sorted(file.name for file in (FILES / "units").iterdir() if file.suffix != ".conf")
SCRIPTS = sorted(file for file in FILES.iterdir() if file.is_file())
SHELLS = ("dash", "busybox sh", "bash --posix")
PATHS = [
    value for name, value in vars(layout).items() if name.isupper() and isinstance(value, Path)
]
INSIDE = (layout.POOL_DATA, layout.LOG)
"""What lies in these is the scripts' own affair."""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_it(shell, script):
    program, *options = shell.split()
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    said = subprocess.run(
        [program, *options, "-n", script], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_shellcheck_has_nothing_against_it(script):
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not on this machine")
    said = subprocess.run(
        [program, "--shell", "sh", "--exclude", "SC1091", script],  # node.env is on the node
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stdout == ""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_and_layout_mean_the_same_places(script):
    text = re.sub(r"^\s*#.*", "", script.read_text(), flags=re.MULTILINE)
    named = set(re.findall(r"(?<![\w$}])/(?:etc|run|var/lib|var/log)/vdc[\w./-]*", text))
    folders = {layout.ETC, layout.LIB, layout.RUN, layout.LOG, layout.PAYLOAD}
    known = {str(path) for path in (*PATHS, *vars(layout.TLS).values(), *folders)}
    strange = {place for place in named if place.rstrip("/") not in known}
    assert not {place for place in strange if not any(map(Path(place).is_relative_to, INSIDE))}


def needs(*parts: str, without: str = "") -> str:
    """What ``vdc-needs`` prints on this machine, some of whose programs are hidden."""
    script = "for tool in $1; do mount --bind /dev/null $tool; done; shift; exec sh $0 $*"
    said = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-ec", script, FILES / "vdc-needs",
         without, *parts],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Operation not permitted" in said.stderr:
        pytest.skip("namespaces of its own are not allowed here")
    return said.stdout.strip()


def test_a_machine_that_has_everything_lacks_nothing():
    assert needs() == needs("work") == needs("service") == ""
    assert Path(needs("python")).is_absolute()


def test_what_a_machine_lacks_depends_on_what_it_is_to_do():
    tools = {name: shutil.which(name, path="/usr/sbin:/usr/bin") for name in ("ip", "setpriv")}
    pythons = [*Path("/usr/bin").glob("python3*"), *Path("/usr/local/bin").glob("python3*")]
    without = " ".join([*filter(None, tools.values()), *map(str, pythons)])
    oldest = "Python {}.{} or newer with its module venv".format(*OLDEST_PYTHON)
    assert needs(without=without) == ""
    assert needs("work", without=without) == "ip"
    assert needs("service", without=without) == f"setpriv, {oldest}"
    assert needs("work", "service", without=without) == f"ip, setpriv, {oldest}"
    assert needs("python", without=without) == ""


def test_work_has_the_same_number_everywhere():
    script = (FILES / "install.sh").read_text()
    assert f"uid={layout.WORK_UID}\n" in script
    assert f" {layout.WORK_USER}\n" in script


def verify(folder: Path, *units: str) -> str:
    """What ``systemd-analyze verify`` says of units whose programs exist; empty when nothing."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not on this machine")
    programs = " ".join(str(layout.BIN / file.name) for file in SCRIPTS)
    script = (
        f"mount -t tmpfs none /var/lib; mkdir -p {layout.BIN}; "
        f'for program in {programs}; do printf "#!/bin/sh" >$program; chmod 755 $program; done; '
        'exec systemd-analyze --man=no verify "$@"'
    )
    said = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-ec", script, "sh", *units],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if "Operation not permitted" in said.stderr:
        pytest.skip("namespaces of its own are not allowed here")
    return said.stderr + said.stdout


@pytest.fixture
def units(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FILES / "units", tmp_path / "units"))


def test_systemd_takes_the_units(units):
    assert verify(units, *(f"./{unit}" for unit in UNITS)) == ""


def test_systemd_takes_a_servers_agent(units):
    (units / "vdc-agent.service.d").mkdir()
    (units / "vdc-server.conf").rename(units / "vdc-agent.service.d/server.conf")
    assert verify(units, "./vdc-agent.service") == ""


def test_systemd_would_say_what_is_wrong(units):
    unit = units / "vdc-agent.service"
    unit.write_text(unit.read_text().replace("KillMode=process", "KillMod=process"))
    assert "'KillMod' in section" in verify(units, "./vdc-agent.service")


def test_tasks_outlive_their_agent():
    """Neither are they killed with it, nor are their mounts hidden from the next one."""
    text = (FILES / "units/vdc-agent.service").read_text()
    assert "\nKillMode=process\n" in text
    assert not re.search(r"^(Protect|Private|ReadOnly|Inaccessible|Temporary)", text, re.MULTILINE)
