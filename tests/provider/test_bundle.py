"""The bundle: the same bytes for the same content, made once, whole or not at all."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from vdc.errors import ToolchainError
from vdc.home import Home
from vdc.provider.bundle import bundle


@pytest.fixture
def nomad(tmp_path: Path) -> Path:
    program = tmp_path / "nomad"
    program.write_bytes(b"\x7fELF, or so")
    return program


def test_it_holds_what_a_node_installs(nomad: Path, tmp_path: Path) -> None:
    made = bundle("amd64", nomad, Home(tmp_path, tmp_path / "cache"))
    assert made.path.name == "vdc-node-amd64.tar.gz"
    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    with tarfile.open(made.path) as archive:
        modes = {entry.name: entry.mode for entry in archive}
        assert archive.extractfile("bin/nomad").read() == nomad.read_bytes()
    assert modes["install.sh"] == modes["bin/nomad"] == modes["bin/vdc-agent"] == 0o755
    assert modes["units/vdc-agent.service"] == 0o644
    assert "bin/boot.sh" not in modes, "it is there already when a bundle is fetched"


def test_the_same_content_gives_the_same_bytes(nomad: Path, tmp_path: Path) -> None:
    first = bundle("arm64", nomad, Home(tmp_path, tmp_path / "one"))
    nomad.touch()
    second = bundle("arm64", nomad, Home(tmp_path, tmp_path / "two"))
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256


def test_it_is_made_once_for_each_content(nomad: Path, tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "cache")
    first = bundle("amd64", nomad, home)
    made = first.path.stat().st_mtime_ns
    assert bundle("amd64", nomad, home) == first
    assert first.path.stat().st_mtime_ns == made
    nomad.write_bytes(b"another")
    assert bundle("amd64", nomad, home).sha256 != first.sha256
    assert bundle("arm64", nomad, home).path != first.path


def test_nothing_half_made_is_left(nomad: Path, tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "cache")
    nomad.unlink()
    with pytest.raises(ToolchainError, match="the bundle for amd64 nodes cannot be made"):
        bundle("amd64", nomad, home)
    assert not list(home.cache.rglob("*.tar.gz"))
