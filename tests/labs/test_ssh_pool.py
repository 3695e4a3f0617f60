"""Machines over SSH in a whole data centre: ``vdc up`` with the control plane on this side."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from e2e.checkout import Checkout, checkout
from e2e.remains import files_below
from labs.ssh import ADDRESS, Lab, ssh_lab
from nomad_lab import wait_for
from vdc.provider.processes import belonging_to

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

TAKEN_IN = ["m1", "s1"]
SIZE = {"cpu": 1, "memory": "1GiB", "disk": "4GiB"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Three machines, ``s1`` with systemd; this process and what it starts share their network."""
    with ssh_lab(tmp_path_factory.mktemp("lab"), 2, systemd=1) as lab, lab.inside():
        for name in lab.names:
            lab.remember(name)
        yield lab


@pytest.fixture(scope="module")
def stack(lab: Lab):
    """A data centre of one server here and two machines; destroyed with nothing left."""
    with checkout("rack") as made:
        declare(made, lab, TAKEN_IN)
        made.vdc("up", "--yes")
        yield made
        made.vdc("destroy", "--yes")
        assert made.left() == []
        assert {name: lab.changed(name) for name in TAKEN_IN} == {"m1": [], "s1": []}


def declare(stack: Checkout, lab: Lab, machines: list[str], **site) -> None:
    """Writes the declaration."""
    document = {
        "name": stack.stack,
        "control": {"site": "here", "addresses": [ADDRESS]},
        "sites": {
            "here": {"kind": "local"},
            "lab": {
                "kind": "ssh",
                "key": str(lab.key),
                "machines": {
                    name: lab.declared(name, "root" if name == "m1" else "deploy")
                    for name in machines
                },
                "groups": {"metal": {"machines": machines, "size": SIZE,
                                     "drain": {"deadline": "60s"}}},
                **site,
            },
        },
    }  # fmt: skip
    stack.declaration.write_text(yaml.safe_dump(document, sort_keys=False))


def node(stack: Checkout, machine: str) -> str:
    """A node's name."""
    return f"{stack.stack}-lab-metal-{machine}"


def nodes(stack: Checkout) -> dict[str, tuple[str, str]]:
    """Id and status of every node that the scheduler knows, by name."""
    with stack.scheduler() as scheduler:
        known = scheduler.get("/v1/nodes").json()
    return {node["Name"]: (node["ID"], node["Status"]) for node in known}


def run_sleeper(stack: Checkout) -> None:
    """Starts a task on one of the machines, and waits until it runs."""
    task = {
        "Name": "sleep", "Driver": "raw_exec", "User": "vdc-work",
        "Config": {"command": "/bin/sleep", "args": ["86399"]},
        "Resources": {"CPU": 50, "MemoryMB": 32},
    }  # fmt: skip
    job = {
        "ID": "sleeper", "Datacenters": ["lab"], "Type": "service",
        "TaskGroups": [{"Name": "sleep", "Count": 1, "Tasks": [task]}],
    }  # fmt: skip
    with stack.scheduler() as scheduler:
        assert scheduler.post("/v1/jobs", json={"Job": job}).is_success
    wait_for("the task", lambda: host_of_sleeper(stack))


def host_of_sleeper(stack: Checkout) -> str:
    """Name of the node on which the task runs; empty when it does not."""
    with stack.scheduler() as scheduler:
        found = scheduler.get("/v1/job/sleeper/allocations").json()
    running = [a["NodeName"] for a in found if a["ClientStatus"] == "running"]
    return running[-1] if running else ""


def sleeper(lab: Lab, machine: str) -> str:
    """User and number of the task's process on a machine."""
    return lab.run(machine, "pgrep", "-l", "-u", "vdc-work", "-f", "^/bin/sleep 86399$").strip()


def not_removed(said: str) -> bool:
    """Whether a machine is named that does not answer, with what becomes of it, in one line."""
    where = r"node dark-lab-metal-m2: machine m2 \(deploy@\S+ port 22\): connect"
    line = (
        rf"{where}: Connection refused; .*\. Its node is not removed; .* run with --force to forget"
    )
    return re.search(line, said) is not None


@pytest.fixture
def task(stack: Checkout):
    """A task on one of the machines; gives that machine and the other one."""
    run_sleeper(stack)
    here = host_of_sleeper(stack).rpartition("-")[2]
    yield here, "m1" if here == "s1" else "s1"
    with stack.scheduler() as scheduler:
        scheduler.delete("/v1/job/sleeper", params={"purge": "true"})
    wait_for("the task's end", lambda: not host_of_sleeper(stack))


def test_machines_join_and_no_key_of_theirs_leaves_them(stack, lab):
    assert sorted(stack.ready()) == [node(stack, "m1"), node(stack, "s1")]
    state = stack.pulumi("stack", "export", "--show-secrets").stdout
    for machine in TAKEN_IN:
        key = lab.run(machine, "cat", "/var/lib/vdc/tls/key.pem").splitlines()[1]
        held = [path for path in files_below(stack.base) if path.is_file() and holds(path, key)]
        assert held == []
        assert key not in state
        assert lab.run(machine, "sh", "-c", "ls /etc/vdc/join-secret 2>&1 || :").startswith("ls:")


def holds(file: Path, text: str) -> bool:
    """Whether a file contains a text; one that has just gone does not."""
    try:
        return text.encode() in file.read_bytes()
    except FileNotFoundError:
        return False


def test_a_second_up_changes_nothing(stack, lab):
    started = [lab.run(name, "pgrep", "-x", "nomad") for name in TAKEN_IN]
    said = stack.vdc("up", "--yes").stdout
    assert not re.search(r"[~+-] .*(updated|created|deleted|replaced)", said)
    assert [lab.run(name, "pgrep", "-x", "nomad") for name in TAKEN_IN] == started


@pytest.mark.parametrize("machine", TAKEN_IN)
def test_a_machine_returns_from_a_reboot_as_the_same_node(stack, lab, machine):
    before = nodes(stack)[node(stack, machine)]
    serial = lab.run(machine, "openssl", "x509", "-in", "/var/lib/vdc/tls/cert.pem", "-serial")
    lab.power_off(machine)
    wait_for("its absence", lambda: nodes(stack)[node(stack, machine)][1] != "ready")
    lab.boot(machine)
    wait_for("its return", lambda: nodes(stack)[node(stack, machine)] == before)
    after = lab.run(machine, "openssl", "x509", "-in", "/var/lib/vdc/tls/cert.pem", "-serial")
    assert after == serial


def test_an_upgrade_in_place_keeps_tasks_running(stack, lab, task):
    machine, _ = task
    before, agent = sleeper(lab, machine), lab.run(machine, "pgrep", "-x", "nomad")
    known = nodes(stack)
    declare(stack, lab, TAKEN_IN, ntp=["10.89.0.254"])
    stack.vdc("up", "--yes")
    assert lab.run(machine, "pgrep", "-x", "nomad") != agent
    assert sleeper(lab, machine) == before
    assert nodes(stack) == known


def test_a_machine_that_leaves_the_inventory_is_drained_and_let_go(stack, lab, task):
    machine, other = task
    declare(stack, lab, [other])
    preview = stack.pulumi("preview", "--diff").stdout
    assert re.search(rf"- {node(stack, machine)}\b", preview)
    stack.vdc("up", "--yes")
    assert host_of_sleeper(stack) == node(stack, other)
    assert lab.changed(machine) == []
    assert list(nodes(stack)) == [node(stack, other)]
    declare(stack, lab, TAKEN_IN)
    stack.vdc("up", "--yes")
    assert len(stack.ready()) == 2


def test_a_swapped_host_key_is_one_line_and_the_new_one_is_declared_to_go_on(lab):
    with checkout("swap") as swap:
        declare(swap, lab, ["m2"])
        swap.vdc("up", "--yes")
        declare(swap, lab, ["m2"], ntp=["10.89.0.254"])
        lab.swap_host_key("m2")
        said = swap.vdc("up", "--yes", code=1).text
        (line,) = (line for line in said.splitlines() if f"node {node(swap, 'm2')}: " in line)
        where = f"machine m2 (deploy@{lab.address('m2')} port 22)"
        assert f"{where}: host key: it shows ssh-ed25519 SHA256:" in line
        assert "nothing was sent" in line
        assert "VDC_NTP=" not in lab.run("m2", "cat", "/etc/vdc/node.env")
        declare(swap, lab, ["m2"], ntp=["10.89.0.254"])
        swap.vdc("up", "--yes")
        assert "VDC_NTP=" in lab.run("m2", "cat", "/etc/vdc/node.env")
        swap.vdc("destroy", "--yes")
        assert swap.left() == []


def test_a_machine_that_does_not_answer_is_forgotten_by_force_alone(lab):
    lab.remember("m2")
    with checkout("dark") as dark:
        declare(dark, lab, ["m2"])
        dark.vdc("up", "--yes")
        lab.power_off("m2")
        assert not_removed(dark.vdc("destroy", "--yes", code=1).text)
        # Nor is it given up because the pool does not answer, either.
        for process in belonging_to(dark.own.root):
            process.kill()
        said = dark.vdc("destroy", "--yes", code=1).text
        assert "the pool does not answer" in said
        assert not_removed(said)
        assert "vdc:ssh:NodeGroup" in dark.state.read_text()
        dark.vdc("destroy", "--yes", "--force")
        assert dark.left() == []
    lab.boot("m2")
    mark = json.loads(lab.run("m2", "cat", "/etc/vdc/node.json"))
    assert mark["owner"] == "dark/lab/metal"
    lab.run("m2", "sh", "/var/lib/vdc/bin/install.sh", "uninstall")
    assert lab.changed("m2") == []
