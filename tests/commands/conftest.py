"""One real pool for the commands that need it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commands.fake import Panel
from nomad_lab import NomadLab
from pool_lab import PoolLab, pool_lab
from vdc.home import Home


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NomadLab]:
    """A scheduler with three nodes, whose unpacked software is this user's."""
    folder = tmp_path_factory.mktemp("commands") / "lab"
    folder.mkdir()
    packages = Home.of_user().packages
    packages.mkdir(parents=True, exist_ok=True)
    (folder / "packages").symlink_to(packages)
    lab = NomadLab(folder, clients=3, memory_mib=4096)
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def pool(lab: NomadLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolLab]:
    """A pool service over it."""
    with pool_lab(lab, tmp_path_factory.mktemp("service")) as pool:
        yield pool


@pytest.fixture
def vdc(pool: PoolLab) -> Panel:
    """The commands, on the real pool."""
    return Panel(connect=pool.client)
