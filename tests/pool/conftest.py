"""One scheduler and one pool service for the tests that need the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nomad_lab import NomadLab, nomad_lab, wait_for
from pool_lab import PoolLab, pool_lab
from vdc.client import PoolClient

PACKAGES = Path(__file__).parent / "packages"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """A scheduler with two nodes."""
    with nomad_lab(tmp_path_factory.mktemp("pool") / "lab", clients=2) as lab:
        yield lab


@pytest.fixture(scope="module")
def pool(lab: NomadLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    """A pool service over it, with the packages of these tests."""
    folder = tmp_path_factory.mktemp("service")
    with pool_lab(lab, folder, [PACKAGES]) as pool:
        yield pool
        for token in (pool.operator, pool.viewer, lab.management):
            assert token not in pool.log.read_text()


@pytest.fixture
def client(pool: PoolLab) -> Iterator[PoolClient]:
    """The operator's client; what a test installs is gone after it."""
    with pool.client() as client:
        yield client
        for app in client.apps():
            client.stop(app.name, purge=True)
        wait_for("every app's end", lambda: client.pool().allocated.cpu_mhz == 0)
