"""One real pool for the commands that need it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.fake import Panel
from nomad_lab import NomadLab
from pool_lab import PoolLab, pool_lab
from vdc.home import Home
from vdc.library.loading import BUILT_IN


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
def demanding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package ``spark-next``: Spark that wants a Java which no node has."""
    folder = tmp_path_factory.mktemp("library") / "spark-next"
    shutil.copytree(BUILT_IN / "spark", folder)
    manifest, launch = folder / "package.yaml", folder / "files" / "launch.py"
    manifest.write_text(manifest.read_text().replace("name: spark\n", "name: spark-next\n"))
    launch.write_text(launch.read_text().replace("OLDEST_JAVA = 17", "OLDEST_JAVA = 99"))
    return folder


@pytest.fixture(scope="module")
def pool(
    lab: NomadLab, demanding: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PoolLab]:
    """A pool service over it."""
    with pool_lab(lab, tmp_path_factory.mktemp("service"), [demanding]) as pool:
        yield pool


@pytest.fixture
def vdc(pool: PoolLab) -> Panel:
    """The commands, on the real pool."""
    return Panel(connect=pool.client)
