"""The ssh driver against real machines: a real sshd, the real bundle, the real agent."""

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from labs.ssh import ADDRESS, Lab, ssh_lab
from nomad_lab import nomad_binary, wait_for
from vdc.bootstrap.control import PoolService, ServiceKeys
from vdc.bootstrap.node import BundleSource
from vdc.errors import ForeignNodeError, NodeError
from vdc.home import Home
from vdc.provider import pki
from vdc.provider.agent import architecture
from vdc.provider.briefing import Briefing, Carry, Work
from vdc.provider.bundle import bundle
from vdc.provider.drivers.ssh import marks
from vdc.provider.drivers.ssh.driver import Door, SshDriver
from vdc.provider.drivers.ssh.machine import Machine
from vdc.provider.drivers.ssh.preflight import Wanted
from vdc.provider.drivers.ssh.template import Template
from vdc.provider.drivers.ssh.trail import Trail
from vdc.provider.groups import converge
from vdc.provider.members import ServerMembers

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces with a root of their own need root"),
]

GOSSIP = "n0L8zR8W8n0L8zR8W8n0L8zR8W8n0L8zR8W8n0L8zR8="
REFUSED = "refused by the pool"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Three machines, and ``s1`` with systemd; this process lives in their network."""
    with ssh_lab(tmp_path_factory.mktemp("lab"), 3, systemd=1) as lab, lab.inside():
        yield lab


@pytest.fixture(scope="module")
def software():
    """The bundle of this machine's own agent."""
    return bundle(architecture(), nomad_binary(), Home.of_user())


@pytest.fixture(scope="module")
def template(lab: Lab, software):
    """Servers: they need no pool to be made, and the real agent runs as one."""
    authority = pki.new_authority("lab")
    pair = pki.issue(authority, "server.global.nomad", [], server=True)
    role = Carry({node(n): lab.address(n) for n in lab.names}, GOSSIP, pair.cert, pair.key)
    briefing = Briefing(
        site="lab",
        group="servers",
        role=role,
        endpoints=(),
        ca_cert=authority.cert,
        bundle=BundleSource(software.sha256),
        drain_s=0,
    )
    wanted = Wanted(architecture(), software.sha256, 1, 256)
    return Template("s/lab/servers", briefing, wanted)


@pytest.fixture
def make(lab: Lab, template: Template, software, tmp_path: Path):
    """Drivers of one group; the machines are bare again afterwards."""

    async def joined(_: str) -> bool:
        return False

    async def admit(_: str) -> str:
        raise NodeError(REFUSED)

    async def revoke(_: str) -> None:
        return

    def driver(
        user="root", names=None, forget_silent=False, machines=None, owner="", key=None, **told
    ):
        chosen = machines or {
            node(name): Machine(name=name, **lab.declared(name, user))
            for name in names or lab.names
        }
        return SshDriver(
            replace(
                template,
                owner=owner or template.owner,
                briefing=replace(template.briefing, **told),
            ),
            chosen,
            str(lab.key) if key is None else key,
            software.path,
            Door(joined, admit, revoke),
            Trail(tmp_path / "machines"),
            forget_silent=forget_silent,
        )

    yield driver
    cleaner = driver()
    for name in asyncio.run(cleaner.owned()):
        asyncio.run(cleaner.delete(name))


def node(machine: str) -> str:
    """The node on a machine."""
    return f"dc-lab-servers-{machine}"


def agent(lab: Lab, machine: str) -> str:
    """The agent's process on a machine; the same text as long as it is the same process.

    Empty while there is none.
    """
    return lab.run(machine, "sh", "-c", "pgrep -f '[n]omad agent -config /etc/vdc/agent.json' || :")


def group(driver: SshDriver, names) -> tuple[str, ...]:
    """What the group logic has to say after a run."""
    wanted = tuple(node(name) for name in names)
    return asyncio.run(
        converge(driver, ServerMembers((), len(wanted)), wanted, asyncio.Event())
    ).problems


@pytest.mark.parametrize(
    ("user", "machine"),
    [
        ("root", "m1"),
        ("deploy", "s1"),
        pytest.param("deploy", "m1", marks=pytest.mark.long),
        pytest.param("root", "s1", marks=pytest.mark.long),
    ],
)
def test_a_machine_is_taken_in_and_let_go_without_a_trace(lab, make, user, machine):
    lab.remember(machine)
    facts = asyncio.run(make(user).create(node(machine)))
    assert facts.state == "running"
    assert dict(facts.facts)["rpc"] == "4647"
    assert dict(facts.facts)["address"] == lab.address(machine)
    modes = lab.run(
        machine, "stat", "-c", "%a %U", "/var/lib/vdc/tls/key.pem", "/etc/vdc/agent.json"
    )
    assert modes == "600 root\n600 root\n"
    assert "/etc/vdc/node.json" in lab.changed(machine)
    asyncio.run(make(user).delete(node(machine)))
    assert lab.changed(machine) == []
    assert asyncio.run(make(user).owned()) == {}
    asyncio.run(make(user).delete(node(machine)))


# Everything that is pushed is pushed for real, which takes a core for seconds.
@pytest.mark.parametrize("machine", ["m1", pytest.param("s1", marks=pytest.mark.long)])
def test_a_second_run_changes_nothing(lab, make, machine):
    asyncio.run(make().create(node(machine)))
    before, files = agent(lab, machine), lab.run(machine, "find", "/etc/vdc", "-printf", "%p %T@\n")
    assert group(make(names=[machine]), [machine]) == ()
    asyncio.run(make().create(node(machine)))
    assert agent(lab, machine) == before
    assert lab.run(machine, "find", "/etc/vdc", "-printf", "%p %T@\n") == files


@pytest.mark.long
@pytest.mark.parametrize("machine", ["m1", "s1"])
def test_another_template_upgrades_in_place_without_another_push(lab, make, machine):
    asyncio.run(make().create(node(machine)))
    before = agent(lab, machine)
    pushed = lab.run(machine, "sh", "-c", "stat -c '%n %Y %i' /var/lib/vdc/payload/*")
    upgraded = make(drain_s=7, ntp=("10.89.0.9",))
    assert upgraded.digest != make().digest
    facts = asyncio.run(upgraded.owned())[node(machine)]
    assert upgraded.in_place(facts)
    assert asyncio.run(upgraded.create(node(machine))).digest == upgraded.digest
    assert agent(lab, machine) not in ("", before)
    assert lab.run(machine, "sh", "-c", "stat -c '%n %Y %i' /var/lib/vdc/payload/*") == pushed


def test_an_agent_that_was_killed_and_a_lost_file_are_mended(lab, make):
    asyncio.run(make().create(node("m1")))
    lab.power_off("m1")
    lab.boot("m1")
    lab.run("m1", "rm", "-f", "/var/lib/vdc/installed")
    lab.run("m1", "sh", "-c", "pkill -f [v]dc-supervise; pkill -x nomad; true")
    wait_for("the agent's end", lambda: asyncio.run(make().owned())[node("m1")].state == "partial")
    assert asyncio.run(make().create(node("m1"))).state == "running"


@pytest.mark.long
@pytest.mark.parametrize("after_s", [0.2, 0.4, 0.8, 1.2, 2.0])
@pytest.mark.parametrize("machine", ["m1", "s1"])
def test_a_run_that_is_cut_anywhere_is_completed_or_undone(lab, make, machine, after_s):
    lab.remember(machine)

    async def cut():
        task = asyncio.create_task(make().create(node(machine)))
        await asyncio.wait([task], timeout=after_s)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cut())
    assert asyncio.run(make().create(node(machine))).state == "running"
    asyncio.run(cut())
    asyncio.run(make().delete(node(machine)))
    assert lab.changed(machine) == []


@pytest.mark.long
@pytest.mark.parametrize("after_s", [0.3, 0.7, 1.1, 1.5, 2.5])
def test_a_first_run_that_is_cut_anywhere_is_undone(lab, make, after_s):
    lab.remember("m1")

    async def cut_and_undo():
        task = asyncio.create_task(make().create(node("m1")))
        await asyncio.wait([task], timeout=after_s)
        task.cancel()
        await asyncio.wait([task])
        await make().delete(node("m1"))

    asyncio.run(cut_and_undo())
    assert lab.changed("m1") == []
    assert not lab.run("m1", "sh", "-c", "pgrep -f /var/lib/[v]dc || :")


def test_what_is_not_ours_is_refused_and_left(lab, make):
    asyncio.run(make(owner="other/lab/servers").create(node("m1")))
    before = agent(lab, "m1")
    assert asyncio.run(make().owned()) == {}
    with pytest.raises(ForeignNodeError, match="it is node dc-lab-servers-m1 of other/lab/servers"):
        asyncio.run(make().create(node("m1")))
    asyncio.run(make().delete(node("m1")))
    assert agent(lab, "m1") == before
    asyncio.run(make(owner="other/lab/servers").delete(node("m1")))
    lab.run("m1", "sh", "-c", "mkdir /etc/vdc && touch /etc/vdc/precious")
    with pytest.raises(ForeignNodeError, match="/etc/vdc is there and is not ours; move it away"):
        asyncio.run(make().create(node("m1")))
    lab.run("m1", "rm", "-r", "/etc/vdc")


def test_of_many_claims_at_once_one_holds_and_none_fails(lab):
    claims = "for i in 1 2 3 4 5 6 7 8; do echo mark-$i | sh /tmp/claim.sh new & done; wait"
    lab.run("m1", "sh", "-c", 'printf %s "$1" >/tmp/claim.sh', "sh", marks.script("claim"))
    for _ in range(10):
        answers = lab.run("m1", "sh", "-c", claims).splitlines()
        assert len(answers) == 8
        assert len(set(answers)) == 1
        assert lab.run("m1", "ls", "-A", "/etc/vdc") == "node.json\n"
        lab.run("m1", "rm", "-r", "/etc/vdc", "/var/lib/vdc")
    lab.run("m1", "rm", "/tmp/claim.sh")


@pytest.mark.long
def test_two_stacks_that_want_a_machine_at_once_do_not_share_it(make):
    async def both():
        drivers = [make(owner=f"{stack}/lab/servers") for stack in ("one", "two")]
        tasks = [driver.create(node("m1")) for driver in drivers]
        return await asyncio.gather(*tasks, return_exceptions=True)

    made, refused = sorted(asyncio.run(both()), key=lambda result: isinstance(result, Exception))
    assert made.state == "running"
    assert isinstance(refused, ForeignNodeError)
    for stack in ("one", "two"):
        asyncio.run(make(owner=f"{stack}/lab/servers").delete(node("m1")))


def test_the_keys_of_ssh_agent_do(lab, make, monkeypatch, tmp_path):
    socket = tmp_path / "agent"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    with pytest.raises(NodeError, match=r"login: no ssh-agent answers .*start one and add a key"):
        asyncio.run(make(key="").create(node("m1")))
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL) as agent:
        try:
            wait_for("ssh-agent", socket.exists)
            with pytest.raises(NodeError, match="login: ssh-agent holds no key; run ssh-add"):
                asyncio.run(make(key="").create(node("m1")))
            subprocess.run(["ssh-add", "-q", lab.key], check=True)
            assert asyncio.run(make(key="").owned()) == {}
        finally:
            agent.terminate()


def test_a_key_that_cannot_be_used_is_named(make, tmp_path):
    locked = tmp_path / "locked"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True
    )
    for key in (locked, tmp_path / "absent"):
        with pytest.raises(NodeError, match=f"login: cannot use the key {key}: .*ssh-agent"):
            asyncio.run(make(key=str(key)).create(node("m1")))


def test_a_key_that_is_not_let_in_is_refused(make, tmp_path):
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    with pytest.raises(NodeError, match="login: refused; put our public key into the authorized"):
        asyncio.run(make(key=str(stranger)).create(node("m1")))


def test_who_cannot_become_root_is_told_what_to_do(lab, make):
    with pytest.raises(NodeError) as refused:
        asyncio.run(make("guest").create(node("m1")))
    assert str(refused.value) == (
        f"machine m1 (guest@{lab.address('m1')} port 22): login: guest is neither root nor may "
        "use sudo without a password; log in as root, or add the line "
        "`guest ALL=(ALL) NOPASSWD: ALL` to sudoers"
    )


def test_a_swapped_host_key_is_named_with_both_fingerprints_and_nothing_is_sent(lab, make):
    driver = make(names=["m3"])
    lab.swap_host_key("m3")
    sessions = (lab.folder / "m3.log").read_text().count("Accepted publickey")
    (line,) = group(driver, ["m3"])
    was, now = (driver._machines[node("m3")], Machine(name="m3", **lab.declared("m3")))
    assert "machine m3" in line
    assert "host key" in line
    for machine in (was, now):
        assert fingerprint(machine) in line
    assert (lab.folder / "m3.log").read_text().count("Accepted publickey") == sessions
    assert asyncio.run(driver.owned())[node("m3")].state == "unreachable"


def fingerprint(machine: Machine) -> str:
    """As ssh-keygen would show it."""
    import asyncssh

    return asyncssh.import_public_key(machine.host_key).get_fingerprint()


@pytest.mark.parametrize(("offset", "says"), [("+2h", "s ahead of ours"), ("-90s", "s behind")])
def test_a_wrong_clock_is_refused_with_its_figure(lab, make, offset, says):
    lab.set_clock("m2", offset)
    try:
        with pytest.raises(NodeError, match=rf"m2 .*: preflight: its clock is \d+ {says}"):
            asyncio.run(make().create(node("m2")))
        assert asyncio.run(make().owned()) == {}
    finally:
        lab.set_clock("m2", "")


def test_a_server_without_python_is_refused_before_anything_is_pushed(lab, make, template):
    keys = ServiceKeys("CERT", "KEY", "CERT", "KEY", "CERT", "KEY")
    role = replace(template.briefing.role, pool=PoolService("dc", (), keys))
    hide = "for python in /usr/bin/python3*; do mount --bind /dev/null $python; done"
    lab.run("m2", "sh", "-c", hide)
    try:
        with pytest.raises(NodeError, match=r"m2 .*: preflight: it has no Python 3\.11 or newer"):
            asyncio.run(make(role=role).create(node("m2")))
        assert asyncio.run(make().owned()) == {}
        assert lab.run("m2", "find", "/var/lib", "-maxdepth", "1", "-name", "vdc") == ""
    finally:
        lab.reboot("m2")


def test_a_full_disk_is_refused_before_anything_is_written(lab, make):
    lab.shrink_disk("m3", 40)
    try:
        with pytest.raises(NodeError, match=r"preflight: 40 MiB are free under /var/lib"):
            asyncio.run(make().create(node("m3")))
        assert asyncio.run(make().owned()) == {}
    finally:
        lab.restore_disk("m3")


@pytest.mark.long
def test_a_machine_that_does_not_answer_is_named_and_the_others_go_on(lab, make):
    assert group(make(), lab.names) == ()
    lab.power_off("m2")
    try:
        asyncio.run(make().delete(node("m1")))
        (line,) = group(make(drain_s=7), lab.names)
        assert line == (
            f"node {node('m2')}: machine m2 (root@{lab.address('m2')} port 22): connect: "
            "Connection refused; see that it is up and that sshd answers there; it was left alone"
        )
        found = asyncio.run(make().owned())
        assert {name: found[node(name)].state for name in lab.names} == {
            "m1": "running", "m2": "unreachable", "m3": "running", "s1": "running",
        }  # fmt: skip
        with pytest.raises(NodeError, match="Its node is not removed; if the machine is gone"):
            asyncio.run(make().delete(node("m2")))
    finally:
        lab.boot("m2")
    assert group(make(drain_s=7), lab.names) == ()


def test_a_pulled_cable_is_noticed(lab, make):
    lab.cut("m2")
    try:
        with pytest.raises(NodeError, match=r"machine m2 .*: connect: (no answer within|No route)"):
            asyncio.run(make().create(node("m2")))
    finally:
        lab.mend("m2")


@pytest.mark.long
def test_force_forgets_a_machine_that_does_not_answer(lab, make):
    asyncio.run(make().create(node("m2")))
    lab.power_off("m2")
    try:
        driver = make(names=["m2"], forget_silent=True)
        asyncio.run(driver.delete(node("m2")))
        assert asyncio.run(driver.owned()) == {}
    finally:
        lab.boot("m2")
    assert list(asyncio.run(make().owned())) == [node("m2")]


def test_a_machine_that_left_the_inventory_is_known_by_the_trail(lab, make):
    asyncio.run(make().create(node("m1")))
    one = {node("m2"): Machine(name="m2", **lab.declared("m2"))}
    without = make(machines=one)
    assert list(asyncio.run(without.owned())) == [node("m1")]
    asyncio.run(without.delete(node("m1")))
    assert asyncio.run(make().owned()) == {}


def test_a_work_node_does_not_begin_where_the_pool_cannot_be_reached(make):
    driver = make(role=Work((f"{ADDRESS}:1",)), endpoints=(f"https://{ADDRESS}:2",))
    with pytest.raises(NodeError, match=r"preflight: it cannot reach 10\.89\.0\.254:[12]") as lost:
        asyncio.run(driver.create(node("m1")))
    assert "10.89.0.254:1" in str(lost.value)
    assert "10.89.0.254:2" in str(lost.value)
    assert REFUSED not in str(lost.value)
    assert asyncio.run(make().owned()) == {}
