"""Installing for real, without systemd: agent and supervisor run, twice is once, nothing stays."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bootstrap.nodes import work_node
from bootstrap.sandbox import ADDRESS, Sandbox, sandbox
from nomad_lab import nomad_binary, wait_for
from vdc.bootstrap import layout
from vdc.bootstrap.node import BundleSource, NodeBoot, node_files, work_agent
from vdc.home import Home
from vdc.provider import pki
from vdc.provider.bundle import bundle

pytestmark = pytest.mark.real

PROGRAMS = Path(layout.__file__).parent / "files"
FIRST = Path(sys.executable).name
POOL = "10.99.0.2"
ALLOCATION = "6f1c3e0a-1111-2222-3333-444455556666"
AGENT = (
    f"curl -s -o /dev/null --cacert {layout.CA} --cert {layout.TLS.cert} --key {layout.TLS.key} "
    "--connect-to ::127.0.0.1:4646 https://client.global.nomad/v1/agent/health"
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Sandbox]:
    with sandbox(tmp_path) as machine:
        yield machine


@pytest.fixture(scope="module")
def source() -> BundleSource:
    made = bundle("amd64", nomad_binary(), Home.of_user())
    return BundleSource(made.sha256, made.path.parent)


def prepare(machine: Sandbox, source: BundleSource) -> NodeBoot:
    """Tells the machine all it must know, and that it has joined already."""
    authority = pki.new_authority("test")
    agent = work_agent("dc-rack-workers-0", "rack", (f"{POOL}:4647",), "workers")
    node = replace(
        work_node(),
        endpoints=(f"https://{POOL}:8443",),
        ca_cert=authority.cert,
        bundle=source,
        join_secret="",
        agent_json=agent,
    )
    for file in node_files(node):
        machine.put(file.path, file.content, file.mode)
    pair = pki.issue(authority, node.name, ["client.global.nomad"], server=True)
    machine.put(layout.TLS.cert, pair.cert)
    machine.put(layout.TLS.key, pair.key, 0o600)
    return node


def agent_pid(machine: Sandbox) -> str:
    """The pid of an agent that answers."""
    wait_for("the agent answers", lambda: machine.run(AGENT, check=False).returncode == 0)
    pid = machine.says(f"cat {layout.RUN}/agent.pid")
    assert machine.says(f"readlink /proc/{pid}/exe") == str(layout.NOMAD)
    return pid


def other_agent(machine: Sandbox, pid: str) -> str:
    wait_for("another agent", lambda: machine.says(f"cat {layout.RUN}/agent.pid") != pid)
    return agent_pid(machine)


def traces(machine: Sandbox) -> str:
    """What is other than before, and who has an account; the tools' own notes do not count."""
    accounts = [f"etc/{name}" for name in ("passwd", "shadow", "group", "gshadow", "sub[ug]id")]
    others = " ".join(f"! -path '{path}'" for path in accounts)
    return machine.says(
        f"cd {machine.changes}; find etc var ! -type d ! -name '*-' ! -name .pwd.lock {others}; "
        "cd /; find run -path run/mount -prune -o -print; "
        f"sha256sum {' '.join(accounts)}"
    )


@pytest.mark.long
def test_a_node_comes_stays_and_goes(machine: Sandbox, source: BundleSource) -> None:
    before = traces(machine)
    prepare(machine, source)
    boot = f"sh {layout.BOOT}"

    machine.run(boot)
    first = agent_pid(machine)
    learned = machine.says(f"cat {layout.RUN}/machine.json")
    assert f'"http": "{ADDRESS}"' in learned
    assert '"network_interface": "up0"' in learned
    assert machine.says(f"stat -c %U {layout.PACKAGES}") == layout.WORK_USER
    assert machine.says(f"cat {layout.INSTALLED}") == source.sha256

    # Again, in both ways: it is done already.
    machine.run(boot)
    machine.run(f"rm {layout.INSTALLED}; {boot}")
    assert agent_pid(machine) == first

    # An agent that dies comes again, and one whose configuration changed is another one.
    machine.run(f"kill -KILL {first}")
    second = other_agent(machine, first)
    machine.run(f"sed -i s/INFO/WARN/ {layout.AGENT_JSON}; rm {layout.INSTALLED}; {boot}")
    other_agent(machine, second)

    # What work leaves: processes of the work user, in folders and mounts of the agent.
    work = f"{layout.AGENT_DATA}/alloc/{ALLOCATION}"
    machine.run(f"""
        mkdir -p {work}/secrets
        mount -t tmpfs none {work}/secrets
        exec >/dev/null 2>&1
        setpriv --reuid {layout.WORK_USER} --regid {layout.WORK_USER} --clear-groups sleep 999 &
        cd {layout.LIB}
        setsid sh -c 'trap "" TERM; while :; do sleep 1; done' &
    """)
    machine.run(f"sh {layout.INSTALL} uninstall")
    assert traces(machine) == before
    assert machine.says("ps -e -o comm=").split() == [FIRST, "sh", "ps"]

    # Nothing there is nothing to do.
    machine.run(f"sh {PROGRAMS}/install.sh uninstall")
    assert traces(machine) == before


def test_a_bundle_of_another_sum_is_not_installed(machine: Sandbox, source: BundleSource) -> None:
    prepare(machine, replace(source, sha256="0" * 64))
    machine.run("ip link delete up0")  # and the pool is out of reach
    done = machine.run(f"sh {layout.BOOT}", check=False)
    assert done.returncode == 1
    assert f"vdc: no bundle {'0' * 64} in {source.folder}" in done.stderr
    assert machine.run(f"test -e {layout.BIN}", check=False).returncode != 0
