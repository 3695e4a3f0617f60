"""The local driver with a stand-in for the agent's program: ports, marks, restarts, removal."""

import asyncio
import os
import socket
import stat
import textwrap
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from vdc.bootstrap.agent import ClientRole
from vdc.errors import ForeignNodeError, NodeError, SchedulerError
from vdc.provider import processes
from vdc.provider.drivers.local import marks
from vdc.provider.drivers.local.driver import LocalDriver, Template
from vdc.provider.slots import HOST, Slot, choose

# Listens on the configured HTTP port as an agent does, and on nothing else.
PROGRAM = """\
    #!/usr/bin/env python3
    import json, os, pathlib, socket, sys, time
    config = json.load(open(sys.argv[sys.argv.index("-config") + 1]))
    folder = pathlib.Path(config["data_dir"])
    folder.mkdir(parents=True, exist_ok=True)
    if (folder.parent / "broken").exists():
        sys.exit("==> Error starting agent: no space left on device")
    server = socket.create_server(("127.0.0.1", config["ports"]["http"]))
    while True:
        server.accept()[0].close()
"""
HOSTS = dict.fromkeys((f"n-{number}" for number in range(10)), HOST)
ROLE = ClientRole((f"{HOST}:1",), "workers", "lo", 1000, 512, 1024, ())


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Drivers for this test's folder; every process of it is ended afterwards."""
    program = tmp_path / "bin" / "nomad"
    program.parent.mkdir()
    program.write_text(textwrap.dedent(PROGRAM))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    async def introduce(name: str) -> str:
        return f"introduction of {name}"

    async def ask(_agent: str) -> None:
        """Answered at once."""

    def driver(
        owner="stack/here/workers", cert="cert", introduce=introduce, ask=ask
    ) -> LocalDriver:
        template = Template(owner, tmp_path / "nodes", HOSTS, "here", "ca", cert, "key", ROLE)
        return LocalDriver(template, introduce, ask)

    yield driver
    asyncio.run(processes.stop(processes.belonging_to(tmp_path / "nodes")))


def agent_of(tmp_path: Path, name: str) -> int:
    (process,) = processes.find(tmp_path / "nodes" / name / "agent.json")
    return process.pid


def test_a_new_agent_is_asked_something_so_that_it_says_that_it_is_ready(make, tmp_path):
    asked = []

    async def ask(agent: str) -> None:
        asked.append(agent)
        raise SchedulerError("it is no real agent")  # which whoever waits for the node will say

    driver = make(ask=ask)
    asyncio.run(driver.create("n-0"))
    slot = Slot(marks.mark(tmp_path / "nodes" / "n-0").slot)
    assert asked == [f"https://{HOST}:{slot.ports.http}"]


def test_a_node_is_a_marked_folder_and_a_process_and_goes_without_a_trace(make, tmp_path):
    driver = make()
    asyncio.run(driver.create("n-0"))
    folder = tmp_path / "nodes" / "n-0"
    assert marks.mark(folder).owner == "stack/here/workers"
    assert (folder / "data/client/intro_token.jwt").read_text() == "introduction of n-0"
    private = [
        folder / "tls/key.pem",
        folder / "data/client/intro_token.jwt",
        folder / "agent.json",
    ]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    asyncio.run(driver.delete("n-0"))
    assert not folder.exists()
    assert not processes.find(folder / "agent.json")
    asyncio.run(driver.delete("n-0"))


def test_creating_it_again_changes_nothing(make, tmp_path):
    driver = make()
    asyncio.run(driver.create("n-0"))
    before = agent_of(tmp_path, "n-0")
    asyncio.run(make().create("n-0"))
    assert agent_of(tmp_path, "n-0") == before


def test_another_template_restarts_it_on_the_same_ports(make, tmp_path):
    asyncio.run(make().create("n-0"))
    before, slot = agent_of(tmp_path, "n-0"), marks.mark(tmp_path / "nodes/n-0").slot
    renewed = make(cert="another")
    assert renewed.digest != make().digest
    asyncio.run(renewed.create("n-0"))
    assert agent_of(tmp_path, "n-0") != before
    assert marks.mark(tmp_path / "nodes/n-0").slot == slot


def test_a_stopped_node_is_seen_as_such_and_started_again(make, tmp_path):
    driver = make()
    asyncio.run(driver.create("n-0"))
    asyncio.run(processes.stop(processes.find(tmp_path / "nodes/n-0/agent.json")))
    assert asyncio.run(driver.owned())["n-0"].state == "stopped"
    asyncio.run(driver.create("n-0"))
    assert asyncio.run(driver.owned())["n-0"].state == "running"


def test_what_has_no_mark_or_another_owner_is_refused_and_left(make, tmp_path):
    alien = tmp_path / "nodes" / "n-0" / "precious"
    alien.parent.mkdir(parents=True)
    alien.write_text("data")
    with pytest.raises(ForeignNodeError, match=r"n-0 exists and is not ours; move it away"):
        asyncio.run(make().create("n-0"))
    asyncio.run(make(owner="stack/here/others").create("n-1"))
    with pytest.raises(ForeignNodeError, match="n-1 belongs to stack/here/others"):
        asyncio.run(make().create("n-1"))
    assert asyncio.run(make().owned()) == {}
    asyncio.run(make().delete("n-1"))
    assert alien.read_text() == "data"
    assert processes.find(tmp_path / "nodes/n-1/agent.json")


def test_a_mark_that_was_being_written_when_the_run_was_cut_is_ours(make, tmp_path):
    half = tmp_path / "nodes" / "n-0" / ".node.json.new"
    half.parent.mkdir(parents=True)
    half.write_text('{"owner": "st')
    asyncio.run(make().create("n-0"))
    assert asyncio.run(make().owned())["n-0"].state == "running"


def test_an_agent_that_ends_at_start_gives_the_last_words_of_its_log(make, tmp_path):
    driver = make()
    asyncio.run(driver.create("n-0"))
    asyncio.run(processes.stop(processes.find(tmp_path / "nodes/n-0/agent.json")))
    (tmp_path / "nodes/n-0/broken").touch()
    with pytest.raises(NodeError, match="ended at start: ==> Error starting agent: no space left"):
        asyncio.run(driver.create("n-0"))


@pytest.fixture
def thief(monkeypatch):
    """Another program that listens where the first choice was; gives every choice, in order."""
    chosen: list[int] = []
    with ExitStack() as stack:

        def choose_and_lose(seed, taken, host):
            held = choose(seed, taken, host)
            if not chosen:
                stack.enter_context(socket.create_server((HOST, held.slot.ports.http)))
            chosen.append(held.slot.number)
            return held

        monkeypatch.setattr("vdc.provider.drivers.local.driver.choose", choose_and_lose)
        yield chosen


def test_ports_that_somebody_takes_between_look_and_start_are_exchanged_for_others(
    make, tmp_path, thief
):
    asyncio.run(make().create("n-0"))
    assert len(thief) == 2
    assert marks.mark(tmp_path / "nodes/n-0").slot == thief[1] != thief[0]
    assert agent_of(tmp_path, "n-0")


def test_nobody_chooses_the_ports_of_an_agent_that_is_about_to_start(make, tmp_path):
    chosen = []

    async def choose_as_well(_: str) -> str:
        with closing(choose(str(tmp_path / "nodes"), ())) as held:
            chosen.append(held.slot.number)
        return "introduction"

    asyncio.run(make(introduce=choose_as_well).create("n-0"))
    (other,) = chosen
    assert marks.mark(tmp_path / "nodes/n-0").slot != other


def test_nodes_made_at_once_get_ports_of_their_own(make, tmp_path):
    driver = make()

    async def both():
        await asyncio.gather(*(driver.create(f"n-{index}") for index in range(4)))

    asyncio.run(both())
    slots = {mark.slot for _, mark in marks.marked(tmp_path / "nodes")}
    assert len(slots) == 4
