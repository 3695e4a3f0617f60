"""The ssh kind without a machine: what a look says, preflight, templates, the trail."""

from dataclasses import replace

import pytest

from vdc.bootstrap import layout
from vdc.bootstrap.node import BundleSource, node_files
from vdc.errors import ForeignNodeError, NodeError
from vdc.provider.briefing import Briefing, Carry, Work
from vdc.provider.drivers.ssh import marks, preflight
from vdc.provider.drivers.ssh.machine import Machine
from vdc.provider.drivers.ssh.marks import Mark
from vdc.provider.drivers.ssh.preflight import Clocks, Wanted
from vdc.provider.drivers.ssh.template import Template
from vdc.provider.drivers.ssh.trail import Step, Trail

SUM = "ab" * 32
WANTED = Wanted("amd64", SUM, cores=4, memory_mib=8192)
MACHINE = Machine(name="m1", address="10.0.0.5", host_key="ssh-ed25519 AAAA")
BARE = "now=1000\nkernel=Linux\narch=x86_64\nfree_kib=9000000\ncores=4\nmemory_kib=8000000\n"
MARK = Mark(owner="s/lab/workers", node="n-m1", digest="d", incarnation="i")
BRIEFING = Briefing(
    site="lab",
    group="workers",
    role=Work(("10.0.0.1:4647",)),
    endpoints=("https://pool:9",),
    ca_cert="CA",
    bundle=BundleSource(SUM),
    drain_s=300,
)
CARRYING = replace(
    BRIEFING, role=Carry({"n-m1": "10.0.0.5"}, "gossip-secret", "CERT", "key-secret")
)
WORK = Template("s/lab/workers", BRIEFING, WANTED)
CARRY = Template("s/lab/workers", CARRYING, WANTED)


def found(more: str = "") -> marks.Look:
    return marks.read(BARE + more, str(MACHINE))


# --- looking ------------------------------------------------------------------------


def test_a_bare_machine_is_nobodys():
    bare = found()
    assert bare.mark is None
    assert bare.of("s/lab/workers", "n-m1", "machine m1") is None
    assert (bare.running, bare.installed, bare.identity) == (False, "", "none")


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ("", "partial"),
        (f"installed={SUM}\n", "stopped"),
        (f"installed={SUM}\nagent=running\n", "running"),
        ("agent=running\n", "running"),
    ],
)
def test_the_state_of_a_node(more, state):
    facts = found(f"mark={MARK.model_dump_json()}\n{more}").facts((("address", "10.0.0.5"),))
    assert (facts.name, facts.state, facts.digest) == ("n-m1", state, "d")
    assert dict(facts.facts) == {"address": "10.0.0.5", "incarnation": "i"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("strange=/etc/vdc\n", "/etc/vdc is there and is not ours; move it away"),
        (
            f"mark={MARK.model_copy(update={'owner': 't/x/y'}).model_dump_json()}\n",
            "it is node n-m1 of t/x/y; remove it there first",
        ),
        (
            f"mark={MARK.model_copy(update={'node': 'n-m9'}).model_dump_json()}\n",
            "it is still node n-m9; run up again once that is removed",
        ),
    ],
)
def test_what_is_not_this_node_is_refused(more, says):
    with pytest.raises(ForeignNodeError) as refused:
        found(more).of("s/lab/workers", "n-m1", "machine m1")
    assert str(refused.value) == f"machine m1: mark: {says}"


@pytest.mark.parametrize("text", ["", "Welcome!\n", BARE.replace("1000", "soon"), BARE + "mark={"])
def test_a_look_that_says_something_else_is_one_line(text):
    with pytest.raises(NodeError, match=r"^machine m1 \(root@10.0.0.5 port 22\): look: ") as error:
        marks.read(text, str(MACHINE))
    assert "\n" not in str(error.value)


def test_a_newer_mark_is_read():
    text = MARK.model_dump_json()[:-1] + ',"colour":"blue"}'
    assert found(f"mark={text}\n").mark == MARK


# --- preflight ----------------------------------------------------------------------


def problems(more: str = "", before: float = 1000.2, after: float = 1000.4) -> list[str]:
    look = found(more)
    return list(preflight.problems(look, Clocks(look.now, before, after), WANTED))


def test_a_sound_machine_has_no_problem():
    assert problems() == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("kernel=FreeBSD\n", "it runs FreeBSD, and a node is a Linux machine"),
        (
            "arch=aarch64\n",
            "its processor is arm64, and the agent's program on this side is for amd64",
        ),
        (
            "free_kib=40960\n",
            "40 MiB are free under /var/lib, and 1024 MiB are needed; make room",
        ),
        ("cores=2\n", "it has 2 cores, and its group declares 4; declare no more"),
        (
            "memory_kib=4194304\n",
            "it has 4096 MiB of memory, and its group declares 8192 MiB; declare no more",
        ),
        (
            "now=8200\n",
            "its clock is 7200 s ahead of ours, and 60 s are allowed; let it follow a time server",
        ),
    ],
)
def test_each_problem_has_its_figure_and_its_remedy(more, says):
    assert problems(more) == [says]


def test_all_problems_come_at_once():
    assert len(problems("kernel=Darwin\narch=ppc\nnow=1\nfree_kib=1\ncores=1\nmemory_kib=1\n")) == 6


@pytest.mark.parametrize(("before", "after"), [(1060.9, 1061), (939, 940), (900, 1100)])
def test_a_slow_look_is_not_taken_for_a_wrong_clock(before, after):
    assert problems(before=before, after=after) == []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [(1062, 1063, "61 s behind ours"), (900, 939, "61 s ahead of ours")],
)
def test_a_second_too_much_is_found(before, after, says):
    (line,) = problems(before=before, after=after)
    assert says in line


def test_software_that_is_there_needs_no_room():
    assert problems(f"free_kib=1\ninstalled={SUM}\n") == []


# --- templates ----------------------------------------------------------------------


def test_a_work_node_gets_no_key_and_its_secret_for_root_alone():
    files = {file.path: file for file in node_files(WORK.boot("n-m1", "the-secret"))}
    assert files[layout.JOIN_SECRET].mode == 0o600
    assert layout.TLS.key not in files
    assert "the-secret" not in repr(files)


def test_a_server_gets_its_key_and_its_peers():
    files = {file.path: file for file in node_files(CARRY.boot("n-m1"))}
    assert files[layout.TLS.key].content == "key-secret"
    assert {files[p].mode for p in (layout.TLS.key, layout.AGENT_JSON)} == {0o600}
    assert '"10.0.0.5:4648"' in files[layout.AGENT_JSON].content
    assert "secret" not in repr(CARRY)
    assert layout.JOIN_SECRET not in files


def test_the_digest_changes_with_what_a_node_gets():
    changed = [
        replace(BRIEFING, bundle=BundleSource("cd" * 32)),
        replace(BRIEFING, ca_cert="another"),
        replace(BRIEFING, role=Work(("10.0.0.2:4647",))),
        replace(BRIEFING, role=Work(("10.0.0.1:4647",), memory_mib=4096)),
        replace(BRIEFING, endpoints=("https://pool:10",)),
        replace(BRIEFING, ntp=("10.0.0.9",)),
        replace(BRIEFING, logs="syslog+tcp://10.0.0.9:514"),
        replace(BRIEFING, drain_s=10),
        CARRYING,
        replace(CARRYING, role=Carry({"n-m1": "10.0.0.6"}, "gossip-secret", "CERT", "key-secret")),
        replace(CARRYING, role=Carry({"n-m1": "10.0.0.5"}, "other", "CERT", "key-secret")),
        replace(CARRYING, role=Carry({"n-m1": "10.0.0.5"}, "gossip-secret", "CERT", "renewed")),
    ]
    digests = {replace(WORK, briefing=briefing).digest for briefing in (BRIEFING, *changed)}
    assert len(digests) == len(changed) + 1
    assert replace(WORK, owner="another").digest == WORK.digest


def test_a_node_must_reach_servers_and_service_and_a_server_nobody_yet():
    assert WORK.dialled == ("10.0.0.1:4647", "pool:9")
    assert CARRY.dialled == ()


def test_servers_are_dialled_at_their_declared_address():
    assert WORK.facts("n-m1", "10.9.9.9") == (("address", "10.9.9.9"),)
    assert dict(CARRY.facts("n-m1", "10.9.9.9")) == {
        "address": "10.0.0.5", "http": "4646", "rpc": "4647", "serf": "4648",
    }  # fmt: skip


# --- the trail ----------------------------------------------------------------------


def test_the_trail_is_private_and_forgets(tmp_path):
    trail = Trail(tmp_path / "machines")
    assert trail.steps() == []
    steps = [Step(owner="o", node=n, machine=MACHINE, key="~/k") for n in ("n-m2", "n-m1")]
    for step in steps:
        trail.add(step)
        trail.add(step)
    assert trail.steps() == steps[::-1]
    assert {file.stat().st_mode & 0o777 for file in tmp_path.rglob("*.json")} == {0o600}
    (tmp_path / "machines/broken.json").write_text("{")
    trail.forget("n-m1")
    trail.forget("n-m1")
    assert trail.steps() == [steps[0]]
