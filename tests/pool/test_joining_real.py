"""A machine becomes a node: the real client in sh, the real service, a real scheduler and agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from join_lab import Machine, admitted, audit
from nomad_lab import NomadLab, nomad_lab, wait_for
from pool_lab import PoolLab, pool_lab

pytestmark = pytest.mark.real

SHELLS = {"sh": ("/bin/sh",), "dash": ("dash",), "busybox": ("busybox", "sh")}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """A scheduler without a node."""
    with nomad_lab(tmp_path_factory.mktemp("joining") / "lab", clients=0) as lab:
        yield lab


@pytest.fixture(scope="module")
def pool(lab: NomadLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    """The service that nodes ask."""
    with pool_lab(lab, tmp_path_factory.mktemp("service")) as pool:
        yield pool


@pytest.fixture
def machine(pool: PoolLab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine of a name of its own, admitted and with a secret."""
    name = request.node.name.translate(str.maketrans("_[]", "---")).strip("-")[-40:].strip("-")
    machine = Machine(pool, name, tmp_path / "root")
    machine.choose_ports()
    machine.prepare(admitted(pool, name))
    yield machine
    machine.remove()


def test_a_machine_joins_and_its_agent_registers(machine, pool):
    machine.join()
    assert not machine.secret_file.exists()
    machine.start()
    wait_for("the node", lambda: machine.ready, 60)
    (line,) = audit(pool, machine.name)
    assert line["event"] == "joined"
    assert line["source"] == "127.0.0.1"
